//! What goes wrong, and how it is mended.

use std::time::Duration;

use memcache_proto::Key;
use memcache_proto::codec::Command;

use crate::callers;
use crate::history::What;
use crate::hostile::{Hostility, Liar, Lie};
use crate::link::End;
use crate::marks;
use crate::network::Conduct;
use crate::server::{Mode, SimServer};
use crate::settings::Fault;
use crate::source::Choose;
use crate::world::World;

/// Has something go wrong, or, as often, better.
pub(crate) fn strike(world: &mut World<'_>, fault: Fault) {
    let count = world.network.servers.len();
    let server = world.source.below(count);
    let better = world.source.one_in(2);
    let now = world.network.now;
    world.judge.trace.note(now, 10, &[fault as u64, server as u64], b"", || {
        let what = if better { "gets better of" } else { "has this:" };
        (format!("server {server}"), format!("{what} {fault:?}"))
    });
    world.judge.blamed[server] = true;
    if better {
        world.network.servers[server].mend();
        world.network.short_until = now;
        return;
    }
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
            let hostility = hostility(world);
            if world.source.one_in(2) {
                let mut links = world.network.links.iter_mut();
                if let Some(link) = links.find(|link| link.server == server && !link.left) {
                    link.liar = Some(Liar::new(hostility));
                }
            } else {
                world.network.servers[server].hostility = Some(hostility);
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

fn hostility(world: &mut World<'_>) -> Hostility {
    let lies = Lie::ALL.into_iter().filter(|_| world.source.one_in(2)).collect();
    Hostility { lies, one_in: *world.source.pick(&[20, 5, 2]) }
}

/// Does something to one connection of a server.
fn hamper(world: &mut World<'_>, server: usize, fault: Fault) {
    let links = world.network.links.iter().filter(|link| link.server == server).count();
    if links == 0 {
        return;
    }
    let chosen = world.source.below(links);
    let until = world.network.now + Duration::from_millis(50 + 100 * world.source.below(50) as u64);
    let after = 1 + world.source.below(200);
    let up = world.source.one_in(2);
    let mut of_server = world.network.links.iter_mut().filter(|link| link.server == server);
    let Some(link) = of_server.nth(chosen) else { return };
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
