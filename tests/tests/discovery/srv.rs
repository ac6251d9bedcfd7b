//! Servers that are found by the SRV records of a name.

mod name_server;

use name_server::NameServer;

use super::*;

each_client! {
    a_name_has_the_servers_of_its_srv_records,
}

fn a_name_has_the_servers_of_its_srv_records<C: Client>() {
    let nodes = [node(), node()];
    let ports = nodes.each_ref().map(port);
    let names = NameServer::start();
    names.set(&ports[..1]);
    let told = Told::default();
    let setup = || Setup::srv(NameServer::NAME, names.address());
    let client: C = setup().every(OFTEN).told(&told).build().expect("it has records");
    client.set("a", "b").expect("stored");
    let has = |node: &Server| {
        let reader = memcache_sync::Client::new([node.address()]).expect("an address");
        reader.get::<String>("a").expect("asked").is_some()
    };
    assert!(has(&nodes[0]) && !has(&nodes[1]));
    names.set(&ports[1..]);
    assert!(settles(|| told.changes() == 2), "the change was not seen");
    client.set("a", "b").expect("stored");
    assert!(has(&nodes[1]));
    names.set(&[]);
    assert!(settles(|| told.warnings() == 1), "nobody was told");
    client.set("a", "b").expect("stored");
    client.end();
    let error = setup().build::<C>().map(C::end).expect_err("it has no records");
    assert!(matches!(error, Error::Discovery(_)), "{error}");
}
