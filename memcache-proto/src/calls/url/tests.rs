//! Whole URLs: what they mean, what is wrong with them, and how they are displayed.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};
use core::time::Duration;
use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::{Config, Error, Profile, Recache};
use super::*;
use crate::KeyError;
use crate::client::{CredentialsError, Settings};
use crate::routing::{AddressError, Distribution, KeyHash, RendezvousKeys};
use crate::value::ValueFormat;

fn config(text: &str) -> Config {
    Config::from_url(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn servers_and_logins() {
    type Login = Option<(Vec<u8>, String)>;
    let login = |user: &str, password: &str| Some((user.as_bytes().to_vec(), password.into()));
    let cases: &[(&str, &str, Login)] = &[
        ("memcached://a", "a:11211 (1)", None),
        ("memcached://a/", "a:11211 (1)", None),
        ("memcached://a?", "a:11211 (1)", None),
        ("memcached://a/?", "a:11211 (1)", None),
        ("MemCached://a", "a:11211 (1)", None),
        ("memcached://a:1*2,b", "a:1 (2) b:11211 (1)", None),
        ("memcached://a;b*0", "a:11211 (1) b:11211 (0)", None),
        ("memcached://[::1]:5,[fe80::1%25eth0]:7*3", "[::1]:5 (1) [fe80::1%eth0]:7 (3)", None),
        ("memcached://inet:a:5,inet6:[b]:6", "a:5 (1) [b]:6 (1)", None),
        ("memcached://a,unix:%2Frun%2Fm.sock*2", "a:11211 (1) unix:/run/m.sock (2)", None),
        ("memcached://%2Frun%2Fm%2Cn.sock", "unix:/run/m,n.sock (1)", None),
        ("memcached+tls://a", "a:11211 (1)", None),
        ("memcached+unix:///run/m.sock", "unix:/run/m.sock (1)", None),
        ("memcached+unix:///a,/b%2A%2c%3b%20%40c*2", "unix:/a (1) unix:/b*,; @c (2)", None),
        ("memcached+unix:///run/m%3Fa.sock?failover=0", "unix:/run/m?a.sock (1)", None),
        ("memcached://u:p@a", "a:11211 (1)", login("u", "p")),
        ("memcached://u:p:q+r@a,b", "a:11211 (1) b:11211 (1)", login("u", "p:q+r")),
        ("memcached://%75:%40%2f%3F%23%25@a", "a:11211 (1)", login("u", "@/?#%")),
        ("memcached://ü:日本@a", "a:11211 (1)", login("ü", "日本")),
        ("memcached+unix://u:p@/run/m.sock", "unix:/run/m.sock (1)", login("u", "p")),
    ];
    for (text, servers, login) in cases {
        let url = Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let names: Vec<_> = url.servers().iter().map(|s| s.stats_name().to_string()).collect();
        assert_eq!(names.join(" "), *servers, "{text}");
        let found = url.credentials();
        assert_eq!(found.map(|c| c.user().to_vec()), login.clone().map(|l| l.0), "{text}");
        let password = login.clone().map(|l| l.1.into_bytes());
        assert_eq!(found.map(|c| c.password().to_vec()), password, "{text}");
        assert_eq!(url.tls().is_some(), text.contains("tls"), "{text}");
        // And so it arrives where a client is made of it.
        let config = config(text);
        assert_eq!(config.servers.len(), url.servers().len(), "{text}");
        assert_eq!(config.settings.credentials.as_ref(), found, "{text}");
        assert_eq!(config.tls, url.tls(), "{text}");
    }
}

#[test]
fn a_url_may_name_who_knows_the_servers() {
    let cases = [
        ("memcached://config+h", "config+h:11211", "", "memcached://config+h:11211"),
        ("memcached+tls://config+h:1/", "config+h:1", "", "memcached+tls://config+h:1"),
        ("memcached://u:p@dns+h:1/", "dns+h:1", "", "memcached://u:***@dns+h:1"),
        (
            "memcached://dnssrv+_memcache._tcp.example.org/?discover_every=5",
            "dnssrv+_memcache._tcp.example.org",
            "",
            "memcached://dnssrv+_memcache._tcp.example.org/?discover_every=5s",
        ),
        (
            "memcached://a,dns+h,b*2",
            "dns+h:11211",
            "a b",
            "memcached://dns+h:11211,a:11211,b:11211*2",
        ),
        ("memcached://config%2Bh", "config+h:11211", "", "memcached://config+h:11211"),
        ("memcached://dns+inet:h:1", "dns+h:1", "", "memcached://dns+h:1"),
        ("memcached://config+unix:%2Fs", "config+unix:/s", "", "memcached://config+unix:%2Fs"),
        ("memcached://a", "", "a", "memcached://a:11211"),
    ];
    for (text, source, servers, shown) in cases {
        let url = Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let found = url.source().map(ToString::to_string);
        assert_eq!(found.unwrap_or_default(), source, "{text}");
        let names = url.servers().iter().map(|server| server.address.to_string());
        let names = names.map(|name| name.replace(":11211", "")).collect::<Vec<_>>();
        assert_eq!(names.join(" "), servers, "{text}");
        assert_eq!(url.to_string(), shown, "{text}");
        // Nobody but an adapter that can ask makes a client of it.
        let config = config(text);
        assert_eq!(config.discovery.source.as_ref(), url.source(), "{text}");
        let refused = matches!(config.build(|| 0), Err(Error::Discovery(_)));
        assert!(refused || source.is_empty() || text.contains("tls"), "{text}");
    }
    let wrong = [
        ("memcached://config+h,dns+h", UrlErrorKind::TwoSources, 21),
        ("memcached://a,config+", UrlErrorKind::Address(AddressError::Empty), 14),
    ];
    for (text, kind, position) in wrong {
        let error = Url::parse(text).unwrap_err();
        assert_eq!((error.kind(), error.position()), (&kind, position), "{text}");
    }
    assert_eq!(config("memcached://a").discovery.every, Duration::from_secs(60));
}

/// One setting of each parameter: what it is by default, and what it is after the text.
#[test]
fn every_parameter_sets_what_it_says() {
    type Read = fn(&Config) -> String;
    macro_rules! of {
        ($($place:tt)+) => {
            |config| format!("{:?}", config.$($place)+)
        };
    }
    let seconds = |n| format!("{:?}", Duration::from_secs(n));
    let cases: Vec<(&str, Read, String)> = vec![
        ("distribution=modula", of!(settings.distribution), "Modula".into()),
        (
            "distribution=rendezvous_bytes",
            of!(settings.distribution),
            format!("{:?}", Distribution::Rendezvous { keys: RendezvousKeys::Bytes }),
        ),
        ("key_hash=default", of!(settings.key_hash), "OneAtATime".into()),
        ("key_hash=fnv1a-64", of!(settings.key_hash), "Fnv64a".into()),
        ("hash_with_prefix_key=off", of!(settings.hash_with_prefix_key), "false".into()),
        ("value_format=pylibmc", of!(transcoder.format), "Pylibmc".into()),
        ("min_compress_len=400", of!(transcoder.min_compress_len), "400".into()),
        ("key_prefix=shop:", of!(settings.key_prefix), format!("{:?}", b"shop:")),
        ("prefix=a%26b%3D%ff=c", of!(settings.key_prefix), format!("{:?}", b"a&b=\xff=c")),
        ("check_keys=no", of!(keys), format!("{:?}", Config::default().keys.check_keys(false))),
        ("server_max_key_length=100", of!(settings.limits.server_max_key_length), "100".into()),
        ("server_max_value_length=0", of!(settings.limits.server_max_value_length), "0".into()),
        ("socket_timeout=500ms", of!(settings.socket_timeout), "500ms".into()),
        ("socket_timeout=1.5", of!(settings.socket_timeout), "1.5s".into()),
        ("connect_timeout=1", of!(settings.connect_timeout), format!("Some({})", seconds(1))),
        ("operation_timeout=2m", of!(settings.operation_timeout.unwrap()), seconds(120)),
        ("dead_retry=1h", of!(settings.dead_retry), seconds(3600)),
        ("dead_retry_factor=3", of!(settings.dead_retry_factor), "3".into()),
        ("dead_retry_max=1h", of!(settings.dead_retry_max), seconds(3600)),
        ("retry=3", of!(settings.retry.attempts), "3".into()),
        ("retry=300", of!(settings.retry.attempts), "255".into()),
        ("retry_backoff=5ms", of!(settings.retry.backoff), "5ms".into()),
        ("retry_max_backoff=2s", of!(settings.retry.max_backoff), seconds(2)),
        ("retry_refused=no", of!(settings.retry.refused), "false".into()),
        ("retry_lost=no", of!(settings.retry.lost), "false".into()),
        ("retry_timeouts=no", of!(settings.retry.timeouts), "false".into()),
        ("max_rest=250us", of!(settings.max_rest), "250µs".into()),
        ("failover=False", of!(settings.failover), "false".into()),
        ("flush_on_reconnect=on", of!(settings.flush_on_reconnect), "true".into()),
        ("resend_stores=1", of!(settings.resend_stores), "true".into()),
        ("unavailable_is_miss=yes", of!(unavailable_is_miss), "true".into()),
        ("cache_cas=1000", of!(cache_cas), "1000".into()),
        ("recache_lease=7", of!(recache.lease), seconds(7)),
        ("recache_early=7", of!(recache.early), seconds(7)),
        ("recache_wait=7", of!(recache.wait), seconds(7)),
        ("recache_pause=7", of!(recache.pause), seconds(7)),
        ("discover_every=7", of!(discovery.every), seconds(7)),
    ];
    let mut tried = BTreeSet::new();
    for (query, read, expected) in &cases {
        let found = config(&format!("memcached://a/?{query}"));
        assert_eq!(read(&found), *expected, "{query}");
        tried.insert(query.split('=').next().unwrap());
        if !query.starts_with("operation_timeout") {
            assert_ne!(read(&Config::default()), *expected, "{query} changes nothing");
        }
    }
    let url = Url::parse(
        "memcached+tls://a/?sessions=5&connections_per_server=6&merge_gets=no&tls_ca=/etc/ca%20.pem\
         &tls_server_name=cache&tls_cert=c&tls_key=k",
    )
    .unwrap();
    assert_eq!((url.sessions(), url.connections_per_server()), (Some(5), Some(6)));
    assert_eq!(url.merge_gets(), Some(false));
    let text = |text: &str| Some(String::from(text));
    let tls = UrlTls {
        ca: text("/etc/ca .pem"),
        server_name: text("cache"),
        cert: text("c"),
        key: text("k"),
    };
    assert_eq!(url.tls(), Some(tls));
    let mut adapted = Config::default();
    url.apply(&mut adapted);
    assert_eq!(adapted.settings, Settings::default());
    // Those are all there are.
    tried.extend(["profile", SESSIONS, CONNECTIONS_PER_SERVER, MERGE_GETS]);
    tried.extend(["tls_ca", "tls_server_name", "tls_cert", "tls_key"]);
    assert_eq!(tried, parameters::names().collect());
}

#[test]
fn what_a_url_does_not_name_stays() {
    let mut config = Config::default();
    config.add_server("first", 1);
    config.settings.failover = false;
    config.recache = Recache { wait: Duration::ZERO, ..Recache::default() };
    config.settings.credentials = Some(Credentials::new("u", "p").unwrap());
    let before = config.settings.clone();
    Url::parse("memcached://second").unwrap().apply(&mut config);
    assert_eq!(config.settings, before);
    assert_eq!(config.recache.wait, Duration::ZERO);
    let servers: Vec<_> = config.servers.iter().flatten().map(|s| s.address.to_string()).collect();
    assert_eq!(servers, ["first:11211", "second:11211"]);
}

#[test]
fn a_profile_is_applied_first_whatever_the_order() {
    let names = [
        ("python_memcached", Profile::PythonMemcached),
        ("python-memcached-1.58", Profile::PythonMemcached158),
        ("pylibmc", Profile::Pylibmc),
        ("pylibmc_ketama", Profile::PylibmcKetama),
        ("PylibmcKetamaWeighted", Profile::PylibmcKetamaWeighted),
        ("pymemcache", Profile::Pymemcache),
        ("pymemcache_pickle", Profile::PymemcachePickle),
    ];
    for (name, profile) in names {
        let found = config(&format!("memcached://a/?profile={name}"));
        let mut expected = Config::default();
        expected.set_profile(profile);
        assert_eq!(found.settings, expected.settings, "{name}");
        assert_eq!(found.transcoder.format, expected.transcoder.format, "{name}");
        for query in [
            format!("profile={name}&key_hash=md5&value_format=pylibmc&distribution=ketama"),
            format!("distribution=ketama&value_format=pylibmc&key_hash=md5&profile={name}"),
        ] {
            let found = config(&format!("memcached://a/?{query}"));
            assert_eq!(found.settings.distribution, Distribution::Ketama, "{query}");
            assert_eq!(found.settings.key_hash, KeyHash::Md5, "{query}");
            assert_eq!(found.transcoder.format, ValueFormat::Pylibmc, "{query}");
            let with_prefix = found.settings.hash_with_prefix_key;
            assert_eq!(with_prefix, profile.hash_with_prefix_key(), "{query}");
        }
    }
}

/// Kind, position and quoted text of every error. `^` marks the place.
#[test]
fn every_error_points_at_its_place() {
    use UrlErrorKind::*;

    let value = |parameter| Value { parameter };
    let address = |error: AddressError| Address(error);
    let port = |text: &str, port: &str| {
        address(AddressError::Port { text: text.into(), port: port.into() })
    };
    let user = Credentials(CredentialsError::User);
    let cases: Vec<(&str, UrlErrorKind, Option<&str>)> = vec![
        ("^", Scheme, None),
        ("^memcached", Scheme, None),
        ("^a:11211", Scheme, None),
        ("^user:secret@a", Scheme, None),
        ("^redis://a", Scheme, Some("redis")),
        ("^://a", Scheme, Some("")),
        ("^memcached+udp://a", Scheme, Some("memcached+udp")),
        ("^ memcached://a", Scheme, Some(" memcached")),
        ("^user:secret@a://b", Scheme, None),
        ("memcached://a^ ,b", Forbidden, Some(" ")),
        ("memcached://a^\r\nflush_all", Forbidden, Some("\r")),
        ("memcached://a^\0", Forbidden, Some("\0")),
        ("memcached://a/^#fragment", Forbidden, Some("#")),
        ("memcached://a/?prefix=^\u{85}", Forbidden, Some("\u{85}")),
        ("memcached://u:sec^ ret@a", Forbidden, None),
        ("memcached://u:sec^#ret@a", Forbidden, None),
        ("memcached://u:sec^\nret@a", Forbidden, None),
        ("memcached://a^%", Percent, Some("%")),
        ("memcached://a^%4", Percent, Some("%4")),
        ("memcached://a,b^%zz:1", Percent, Some("%zz")),
        ("memcached://[fe80::1^%eth0]:1", Percent, Some("%et")),
        ("memcached://a/?prefix=x^%4", Percent, Some("%4")),
        ("memcached+unix:///run/^%", Percent, Some("%")),
        ("memcached://u:secret^%4@a", Percent, None),
        ("memcached://u^%x:secret@a", Percent, None),
        ("memcached://^a%ff:1", NotUtf8, Some("a%ff:1")),
        ("memcached+unix:///a,^/%ff", NotUtf8, Some("/%ff")),
        ("memcached://u:se@cret^@a", AtSign, None),
        ("memcached://u:se/cret^@a", AtSign, None),
        ("memcached://u:se?cret^@a", AtSign, None),
        ("memcached://a/?prefix=x^@y", AtSign, None),
        ("memcached+unix:///run/a^@b", AtSign, None),
        ("memcached://^user@a", NoPassword, None),
        ("memcached://^@a", NoPassword, None),
        ("memcached://^:secret@a", user.clone(), None),
        ("memcached://^u%3Av:secret@a", user.clone(), None),
        ("memcached://^u%0d%0a:secret@a", user, None),
        ("memcached://u:^@a", Credentials(CredentialsError::Password), None),
        ("memcached://u:^secret%0D%0A@a", Credentials(CredentialsError::Password), None),
        ("memcached://u:^se%20cret@a", Credentials(CredentialsError::Password), None),
        ("memcached://u:^%00@a", Credentials(CredentialsError::Password), None),
        ("memcached://^", NoServers, Some("")),
        ("memcached://^/", NoServers, Some("/")),
        ("memcached://^?failover=no", NoServers, Some("")),
        ("memcached://u:secret@^", NoServers, Some("")),
        ("memcached:///run/m.sock", NoServers, Some("/run/m.sock")),
        ("memcached+unix://^", NoServers, Some("")),
        ("memcached+unix://^?failover=no", NoServers, Some("")),
        ("memcached://a^/0", Path, Some("/0")),
        ("memcached://unix:^/run/m.sock", Path, Some("/run/m.sock")),
        ("memcached+unix://^run/m.sock", RelativePath, Some("run/m.sock")),
        ("memcached+unix:///a,^unix:/b", RelativePath, Some("unix:/b")),
        ("memcached+unix:///a,^", RelativePath, Some("")),
        ("memcached+unix://^*2", RelativePath, Some("")),
        ("memcached://a,^", address(AddressError::Empty), Some("")),
        ("memcached://a,^,b", address(AddressError::Empty), Some("")),
        ("memcached://^*2", address(AddressError::Empty), Some("")),
        ("memcached://a:^x", port("a:x", "x"), Some("x")),
        ("memcached://a,b:^99999*2,c", port("b:99999", "99999"), Some("99999")),
        ("memcached://^%61:x", port("a:x", "x"), Some("%61:x")),
        ("memcached://u:secret@a:^0", port("a:0", "0"), Some("0")),
        (
            "memcached://a,^::1",
            address(AddressError::Malformed { text: "::1".into() }),
            Some("::1"),
        ),
        (
            "memcached://^a%0d%0ab",
            address(AddressError::Forbidden { text: "a\r\nb".into(), found: '\r', position: 1 }),
            Some("a%0d%0ab"),
        ),
        ("memcached://a*^", Weight, Some("")),
        ("memcached://a*^-1", Weight, Some("-1")),
        ("memcached://a*^2.5,b", Weight, Some("2.5")),
        ("memcached://a*^2147483648", Weight, Some("2147483648")),
        ("memcached+unix:///a*^b", Weight, Some("b")),
        ("memcached://a/?^=1", UnknownParameter { nearest: None }, Some("")),
        ("memcached://a/?^color=1", UnknownParameter { nearest: None }, Some("color")),
        (
            "memcached://a/?failover=1&^sockettimeout=1",
            UnknownParameter { nearest: Some("socket_timeout") },
            Some("sockettimeout"),
        ),
        (
            "memcached://a/?^Failover",
            UnknownParameter { nearest: Some("failover") },
            Some("Failover"),
        ),
        ("memcached://a/?^pass=secret", UnknownParameter { nearest: None }, Some("pass")),
        (
            "memcached://a/?failover=1&failover=0^",
            Repeated { parameter: "failover" },
            Some("failover"),
        ),
        (
            "memcached://a/?prefix=a&^key_prefix=b",
            Repeated { parameter: "key_prefix" },
            Some("key_prefix"),
        ),
        ("memcached://a/?^failover", NoValue { parameter: "failover" }, Some("failover")),
        ("memcached://a/?^prefix=", NoValue { parameter: "key_prefix" }, Some("prefix")),
        ("memcached+tls://a/?^tls_ca=&x", NoValue { parameter: "tls_ca" }, Some("tls_ca")),
        ("memcached://a/?failover=^maybe", value("failover"), Some("maybe")),
        ("memcached://a/?failover=^%ff", value("failover"), Some("%ff")),
        ("memcached://a/?dead_retry=^-1s", value("dead_retry"), Some("-1s")),
        ("memcached://a/?dead_retry=^1d", value("dead_retry"), Some("1d")),
        (
            "memcached://a/?dead_retry=^99999999999999999999h",
            value("dead_retry"),
            Some("99999999999999999999h"),
        ),
        ("memcached://a/?cache_cas=^1k", value("cache_cas"), Some("1k")),
        (
            "memcached://a/?cache_cas=^18446744073709551616",
            value("cache_cas"),
            Some("18446744073709551616"),
        ),
        ("memcached://a/?profile=^redis", value("profile"), Some("redis")),
        ("memcached://a/?key_hash=^hsieh", value("key_hash"), Some("hsieh")),
        ("memcached+tls://a/?tls_ca=^a%0Ab", value("tls_ca"), Some("a%0Ab")),
        ("memcached+tls://a/?tls_ca=^%ff", value("tls_ca"), Some("%ff")),
        (
            "memcached://a/?prefix=^a%0d%0ab",
            KeyPrefix(KeyError::Forbidden { byte: b'\r', position: 1 }),
            Some("a%0d%0ab"),
        ),
        ("memcached://a/?^tls_ca=x", NotTls { parameter: "tls_ca" }, Some("tls_ca")),
        ("memcached+unix:///a?^tls_key=x", NotTls { parameter: "tls_key" }, Some("tls_key")),
    ];
    for (marked, kind, quoted) in cases {
        let text = marked.replacen('^', "", 1);
        let error = Url::parse(&text).expect_err(&text);
        assert_eq!(*error.kind(), kind, "{marked:?}");
        assert_eq!(error.text(), quoted, "{marked:?}");
        match marked.find('^') {
            // The first of two that are alike.
            Some(_) if matches!(kind, Repeated { parameter: "failover" }) => {
                assert_eq!(error.position(), text.rfind("failover").unwrap(), "{marked:?}");
            }
            Some(position) => assert_eq!(error.position(), position, "{marked:?}"),
            None => assert_eq!(error.position(), 12, "{marked:?}"),
        }
        let (shown, debug) = (error.to_string(), format!("{error:?}"));
        assert!(!shown.contains("secret") && !debug.contains("secret"), "{shown}");
        assert!(!shown.contains(char::is_control), "{shown:?}");
        assert!(shown.starts_with(&format!("at byte {}", error.position())), "{shown}");
    }
}

#[test]
fn an_error_says_what_to_write() {
    let cases = [
        (
            "memcached://a/?socket_timeot=1",
            "the URL is wrong at byte 15, \"socket_timeot\": there is no such parameter; did you mean \
             socket_timeout?",
        ),
        (
            "memcached://a/?profile=redis",
            "the URL is wrong at byte 23, \"redis\": profile is one of python_memcached, \
             python_memcached_158, pylibmc, pylibmc_ketama, pylibmc_ketama_weighted, pymemcache, \
             pymemcache_pickle",
        ),
        (
            "memcached://user:p@ss@a",
            "the URL is wrong at byte 21: this @ does not stand between a password and the servers of a \
             URL; in a user, a password, a path or a value @ is written %40, / is %2F and ? is %3F",
        ),
        (
            "memcached://a,b:http",
            "the URL is wrong at byte 16: the server address \"b:http\" has \"http\" for a port; expected \
             1 to 65535, or no colon for 11211",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(Error::from(Url::parse(text).unwrap_err()).to_string(), expected);
    }
    let error = Url::parse("memcached://a/?nothing=1").unwrap_err().to_string();
    for name in parameters::names() {
        assert!(error.contains(name), "{error} lacks {name}");
    }
    // What is long is cut.
    let long = "x".repeat(100_000);
    assert!(Url::parse(&format!("memcached://a/?{long}=1")).unwrap_err().to_string().len() < 2_000);
}

#[test]
fn a_url_with_tls_makes_no_plain_client() {
    let error = config("memcached+tls://a").build(|| 0).map(drop).unwrap_err();
    assert!(matches!(error, Error::WithoutTls), "{error}");
    let mut taken = config("memcached+tls://a");
    assert!(taken.tls.take().is_some());
    assert!(taken.build(|| 0).is_ok());
}

#[test]
fn the_first_error_is_the_one_that_building_returns() {
    let mut config = Config::default();
    config.add_server_list("a, b*2");
    config.add_server_list("c*x");
    config.fail(Error::WithoutTls);
    assert_eq!(config.servers.len(), 2);
    let error = config.build(|| 0).map(drop).unwrap_err();
    assert!(matches!(error, Error::Servers(_)), "{error}");
    let expected =
        "the list of servers is wrong at byte 2, \"x\": a * must be followed by a weight";
    assert!(error.to_string().starts_with(expected), "{error}");
}

/// What stands in the first column of the table on [`Url`].
#[test]
fn the_table_of_parameters_is_what_is_accepted() {
    let documented: BTreeSet<&str> = include_str!("mod.rs")
        .lines()
        .skip_while(|line| !line.contains("| parameter | value |"))
        .skip(2)
        .map_while(|line| line.strip_prefix("/// | "))
        .filter_map(|row| row.split(" | ").next())
        .flat_map(|cell| cell.split(", "))
        .map(|name| name.trim_matches('`'))
        .collect();
    let accepted: BTreeSet<&str> = parameters::names().collect();
    assert_eq!(documented, accepted);
    // And so are the names that values have.
    for parameter in PARAMETERS {
        let Kind::Name(names) = parameter.kind else { continue };
        let start = format!("/// | `{}` |", parameter.name);
        let row = include_str!("mod.rs").lines().find(|line| line.starts_with(&start)).unwrap();
        for &(name, choice) in names {
            let told = row.contains(&format!("`{name}`"));
            assert_eq!(
                told,
                choice.name() == Some(name) || ["default", "crc"].contains(&name),
                "{name}"
            );
        }
    }
}

/// Passwords are replaced: nobody can know them from what is displayed.
fn without_password(url: &Url) -> Url {
    let mut url = url.clone();
    if let Some(credentials) = &url.credentials {
        url.credentials = Some(Credentials::new(credentials.user(), "***").unwrap());
    }
    url
}

fn addresses() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9.-]{0,10}(:[1-9][0-9]{0,3})?",
        "(inet:)[a-z]{1,5}(:[1-9][0-9]{0,3})?",
        "inet6:\\[[a-z0-9]{1,5}\\](:[1-9][0-9]{0,3})?",
        "(inet6:)?\\[::[0-9a-f]{1,4}(%25[a-z0-9]{1,4})?\\](:[1-9][0-9]{0,3})?",
        "(unix:|)%2[fF]([a-z ]|%20|%2F|%2C|%2A|%3B|%23|ü){1,9}".prop_map(|s| s.replace(' ', "")),
        Just("unix".into()),
        Just("inet".into()),
        Just("inet6:80".into()),
    ]
}

fn servers() -> impl Strategy<Value = String> {
    let one = (addresses(), proptest::option::of(0..=i32::MAX))
        .prop_map(|(address, weight)| weight.map_or(address.clone(), |n| format!("{address}*{n}")));
    proptest::collection::vec(one, 1..5).prop_map(|servers| servers.join(","))
}

fn parameters_of(tls: bool) -> impl Strategy<Value = String> {
    let one = |parameter: &'static parameters::Parameter| {
        let value: BoxedStrategy<String> = match parameter.kind {
            Kind::Time(_) => "[0-9]{1,9}(\\.[0-9]{1,12})?(ns|us|ms|s|m|h|)".boxed(),
            Kind::Number(_) => any::<usize>().prop_map(|number| number.to_string()).boxed(),
            Kind::Switch(_) => "(true|false|1|0|YES|no|on|off)".boxed(),
            Kind::Name(names) => {
                (0..names.len()).prop_map(|index| names[index].0.to_string()).boxed()
            }
            Kind::KeyPrefix => "([a-z:/]|%26|%40|%C3%BC|%ff|=|\\?|\\+){1,20}".boxed(),
            Kind::Tls(_) => "([a-z:/]|%20|%26|%40|%C3%BC|=|\\+){1,20}".boxed(),
        };
        value.prop_map(move |value| format!("{}={value}", parameter.name))
    };
    let allowed = PARAMETERS.iter().filter(|p| tls || !matches!(p.kind, Kind::Tls(_)));
    let all: Vec<_> = allowed.map(|parameter| proptest::option::of(one(parameter))).collect();
    all.prop_shuffle().prop_map(|chosen| chosen.into_iter().flatten().collect::<Vec<_>>().join("&"))
}

fn logins() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "([a-z.+]|%40|%2F|%ff){1,10}:([a-z:*]|%40|%2F|%ff){1,10}@",]
}

fn urls() -> impl Strategy<Value = String> {
    let hosts = any::<bool>().prop_flat_map(|tls| {
        let scheme = if tls { "memcached+tls" } else { "memcached" };
        (logins(), servers(), parameters_of(tls)).prop_map(move |(login, servers, query)| {
            format!("{scheme}://{login}{servers}/?{query}")
        })
    });
    let path = "/([a-z/]|%20|%2C|%2A|%23|%3F|ü){0,9}(\\*[0-9]{1,9})?";
    let paths = (logins(), proptest::collection::vec(path, 1..4), parameters_of(false));
    let paths = paths.prop_map(|(login, paths, query)| {
        format!("memcached+unix://{login}{}?{query}", paths.join(","))
    });
    prop_oneof![3 => hosts, 1 => paths]
}

proptest! {
    #[test]
    fn what_is_displayed_is_the_same_url(text in urls()) {
        let url = Url::parse(&text).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        let shown = url.to_string();
        let again = Url::parse(&shown).map_err(|error| TestCaseError::fail(format!("{shown}: {error}")))?;
        prop_assert_eq!(&again, &without_password(&url), "{}", text);
        prop_assert_eq!(again.to_string(), shown);
    }

    #[test]
    fn no_text_at_all_panics(text in ".*", query in ".*", list in ".*") {
        let _ = Url::parse(&text);
        for scheme in [parse::PLAIN, parse::TLS, parse::UNIX] {
            let _ = Url::parse(&format!("{scheme}://{text}"));
            if let Ok(config) = Config::from_url(&format!("{scheme}:///{text},a?{query}")) {
                let _ = config.build(|| 0);
            }
        }
        let _ = ServerList::parse(&list);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, ..ProptestConfig::default() })]

    /// A character of a good URL is changed, put in or taken out, or the rest is cut off: it is parsed or
    /// refused, and the password is nowhere.
    #[test]
    fn a_damaged_url_is_an_error_without_a_password(
        text in proptest::sample::select(vec![
            "memcached://user:Zq7Zq7%58Zq7Zq7@a",
            "memcached://user:Zq7Zq7%58Zq7Zq7@a:1*2,[::1]/?prefix=x&dead_retry=1m",
            "memcached+tls://user:Zq7Zq7%58Zq7Zq7@a/?tls_ca=/b",
            "memcached+unix://user:Zq7Zq7%58Zq7Zq7@/a*2,/b?failover=0",
        ]),
        at in any::<proptest::sample::Index>(),
        damage in 0..4_u8,
        with in prop_oneof![
            1 => any::<char>(),
            3 => proptest::sample::select("%@:/?#&=*,;\0\r\n ".chars().collect::<Vec<_>>()),
        ],
    ) {
        let mut characters: Vec<char> = text.chars().collect();
        let index = at.index(characters.len());
        // Without the @ there is no password: user and password are a host and its port.
        let place = characters.iter().position(|&c| c == '@').unwrap();
        match damage {
            0 if index != place => characters[index] = with,
            1 if index != place => drop(characters.remove(index)),
            2 => characters.truncate(index.max(place + 1)),
            _ => characters.insert(index, with),
        }
        let damaged: String = characters.into_iter().collect();
        match Url::parse(&damaged) {
            Ok(url) => {
                let shown = format!("{url} {url:?} {:?}", Config::from_url(&damaged));
                prop_assert!(!shown.contains("Zq7"), "{}", shown);
            }
            Err(error) => {
                let shown = format!("{error} {error:?}");
                prop_assert!(!shown.contains("Zq7"), "{}: {}", damaged, shown);
                prop_assert!(damaged.is_char_boundary(error.position()));
                prop_assert!(!error.to_string().contains(char::is_control));
            }
        }
    }
}

#[test]
fn very_long_texts_are_read_in_linear_time() {
    let long = 1_000_000;
    let cases = [
        format!("memcached://{}", "a".repeat(long)),
        format!("memcached://{}", "a,".repeat(long)),
        format!("memcached://{}", "%41".repeat(long)),
        format!("memcached://{}", "@".repeat(long)),
        format!("memcached://a*{}", "9".repeat(long)),
        format!("memcached://a/?{}", "&".repeat(long)),
        format!("memcached://a/?{}=1", "a".repeat(long)),
        format!("memcached://a/?dead_retry={}", "9".repeat(long)),
        format!("memcached://a/?prefix={}", "%".repeat(long)),
        format!("memcached://u:{}@a", "p".repeat(long)),
        "%".repeat(long),
        "://".repeat(long),
    ];
    for text in cases {
        let _ = Url::parse(&text).map(|url| url.to_string());
        let _ = ServerList::parse(&text).map(|list| list.to_string());
    }
}
