//! What goes wrong, and how it is mended.

use std::time::Duration;

use memcache_proto::Key;
use memcache_proto::client::ConnectionId;
use memcache_proto::codec::Command;

use crate::callers;
use crate::conduct::Conduct;
use crate::history::What;
use crate::hostile::{Hostility, Liar};
use crate::link::{End, Link};
use crate::marks;
use crate::server::{Mode, SimServer};
use crate::settings::Fault;
use crate::source::Choose;
use crate::world::World;

/// Has something go wrong, or, as often, better.
pub(crate) fn strike(world: &mut World<'_>, fault: Fault) {
    let server = world.source.below(world.network.servers.len());
    if world.source.one_in(2) {
        note(world, server, fault, "gets better of");
        world.judge.blamed[server] = true;
        world.network.servers[server].mend();
        world.network.short_until = world.network.now;
        return;
    }
    go_wrong(world, server, fault);
}

/// Has something go wrong at one server or another.
pub(crate) fn befall(world: &mut World<'_>, fault: Fault) {
    let server = world.source.below(world.network.servers.len());
    go_wrong(world, server, fault);
}

fn note(world: &mut World<'_>, server: usize, fault: Fault, what: &str) {
    let now = world.network.now;
    world.judge.trace.note(now, 10, &[fault as u64, server as u64], b"", || {
        (format!("server {server}"), format!("{what} {fault:?}"))
    });
}

fn go_wrong(world: &mut World<'_>, server: usize, fault: Fault) {
    note(world, server, fault, "has this:");
    world.judge.blamed[server] = true;
    let now = world.network.now;
    marks::struck(fault);
    match fault {
        Fault::Killed => {
            world.network.servers[server].mode = Mode::Refusing;
            end_links(world, server);
        }
        Fault::Emptied => {
            world.network.servers[server].restart_empty();
            world.judge.lives[server] += 1;
            world.judge.happens(server, What::Emptied);
            end_links(world, server);
        }
        Fault::Hung => {
            let mode = *world.source.pick(&[Mode::Silent, Mode::Hanging]);
            world.network.servers[server].mode = mode;
        }
        Fault::HungUp => world.network.end(server, End::Eof),
        Fault::Reset => world.network.end(server, End::Reset),
        Fault::Vanished => world.network.end(server, End::Vanished),
        Fault::Crowded => {
            let beyond =
                *world.source.pick(&[Mode::Refusing, Mode::Full, Mode::Hanging, Mode::Silent]);
            world.network.servers[server].room = Some((world.source.below(3), beyond));
        }
        Fault::Slow => {
            let millis = *world.source.pick(&[5, 300, 999, 3500]);
            world.network.servers[server].delay = Duration::from_millis(millis);
        }
        Fault::Stalled | Fault::CutOff | Fault::Dripping => hamper(world, server, fault),
        Fault::Storm => {
            world.network.end(server, End::Reset);
            world.network.servers[server].resets_after = Some(1 + world.source.below(60));
        }
        Fault::Shortage => {
            let millis = 10 * world.source.below(300) as u64;
            world.network.short_until = now + Duration::from_millis(millis);
        }
        Fault::OutOfMemory => world.network.servers[server].out_of_memory = true,
        Fault::Evicted => {
            let number = world.source.below(world.plan.keys);
            let key = callers::key(&world.plan, number);
            let key = [&world.plan.settings.key_prefix[..], &key].concat();
            if let Ok(key) = Key::new(&key) {
                world.network.servers[server].evict(key, now);
                world.judge.happens(server, What::Lost { key: key.as_bytes().to_vec() });
            }
        }
        Fault::Flushed => {
            let flush = Command::FlushAll { delay: None, noreply: true };
            world.network.servers[server].handle_outside(&flush, now);
            world.judge.happens(server, What::Emptied);
        }
        Fault::Lies => {
            world.judge.lied[server] = true;
            let hostility = Hostility::draw(world.source);
            if world.source.one_in(2) {
                if let Some(link) = any_link(world, server) {
                    link.liar = Some(Liar::new(hostility));
                }
            } else {
                lie(world, server, &hostility);
            }
        }
        Fault::Midway => {
            let how = *world.source.pick(&[End::Eof, End::Reset, End::Vanished]);
            if world.source.one_in(2) {
                world.network.servers[server].dies_after = Some((1 + world.source.below(40), how));
            } else {
                let after = 1 + world.source.below(400);
                if let Some(link) = any_link(world, server) {
                    link.ends_after = Some((after, how));
                }
            }
        }
        Fault::Muttered => {
            let said: &[&[u8]] = &[b"ER", b"STORED\r\n", b"VALUE k0 0 5\r\n1", b"\r\n", b"HD"];
            let said = *world.source.pick(said);
            let Some(link) = any_link(world, server) else { return };
            if link.opens_at.is_none() {
                // It says what its store says from now on, and has said this.
                link.liar.get_or_insert_with(|| Liar::new(Hostility { lies: vec![], one_in: 0 }));
                link.say(now, said);
                world.judge.lied[server] = true;
            }
        }
        Fault::Jump => {
            let seconds = 1 + world.source.below(20);
            let time = Duration::from_secs(seconds.try_into().unwrap_or_default());
            world.judge.blamed.iter_mut().for_each(|blamed| *blamed = true);
            world.network.jump(time, world.judge);
        }
    }
}

/// Has a server lie from now on, on all of its connections.
pub(crate) fn lie(world: &mut World<'_>, server: usize, hostility: &Hostility) {
    (world.judge.lied[server], world.judge.blamed[server]) = (true, true);
    world.network.servers[server].hostility = Some(hostility.clone());
    for link in world.network.links.iter_mut().filter(|link| link.server == server) {
        link.liar = Some(Liar::new(hostility.clone()));
    }
}

/// One of the connections of a server.
fn any_link<'w>(world: &'w mut World<'_>, server: usize) -> Option<&'w mut Link<ConnectionId>> {
    let links = world.network.links.iter().filter(|link| link.server == server).count();
    let chosen = world.source.below(links);
    world.network.links.iter_mut().filter(|link| link.server == server).nth(chosen)
}

/// Does something to one connection of a server.
fn hamper(world: &mut World<'_>, server: usize, fault: Fault) {
    let until = world.network.now + Duration::from_millis(50 + 100 * world.source.below(50) as u64);
    let after = 1 + world.source.below(200);
    let up = world.source.one_in(2);
    let Some(link) = any_link(world, server) else { return };
    match fault {
        Fault::Stalled if up => link.up_stalled = until,
        Fault::Stalled => link.down_stalled = until,
        Fault::CutOff => link.reset_after = Some(after),
        _ => link.slow = true,
    }
}

/// Ends the connections of a server, in one way or another.
fn end_links(world: &mut World<'_>, server: usize) {
    let how = *world.source.pick(&[End::Eof, End::Reset, End::Vanished]);
    world.network.end(server, how);
}

/// Nothing is wrong with anything from now on.
pub(crate) fn mend(world: &mut World<'_>) {
    let now = world.network.now;
    world.network.servers.iter_mut().for_each(SimServer::mend);
    world.network.short_until = now;
    for link in &mut world.network.links {
        if link.liar.is_some() {
            link.end(End::Eof);
        }
        link.mend(now);
    }
    world.network.conduct = Conduct::default();
    world
        .judge
        .trace
        .note(world.network.now, 11, &[], b"", || ("everybody".into(), "is well again".into()));
}
