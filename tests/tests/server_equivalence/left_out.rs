//! What is not compared, as it would not come out alike.

/// A value that is announced may lack this many bytes, and no more, for the barrier to end it.
pub(crate) const MAX_LACKING: usize = 150;

/// Whether what was broken of this command is left out.
pub(crate) fn is_left_out(broken: &[u8], command: &[u8]) -> bool {
    lacking(broken) > MAX_LACKING
        || delays_flush(broken)
        || expires_soon(broken)
        || takes_a_length(broken, command)
        || marks_as_fetched(broken)
        || stores_white_space(broken)
}

/// Whether it is a get that memcached has marked items for before it finds fault with a key.
fn marks_as_fetched(command: &[u8]) -> bool {
    command.starts_with(b"g") && has_long_word(command)
}

/// Whether it has no end, and could take a length from the next line and await as many bytes.
fn takes_a_length(broken: &[u8], command: &[u8]) -> bool {
    let has_value = command.iter().filter(|&&byte| byte == b'\n').count() > 1;
    !broken.contains(&b'\n') && (has_value || has(broken, b"ms "))
}

/// Whether its value may be white space.
fn stores_white_space(command: &[u8]) -> bool {
    has(command, b"\n ") || has(command, b"\n\t")
}

/// Whether there is a word that is too long for a key, or may become so with what is before or
/// behind it.
pub(crate) fn has_long_word(command: &[u8]) -> bool {
    let mut words = command.split(|byte| b" \n".contains(byte));
    let first = words.clone().next().unwrap_or_default();
    let unfinished = words.clone().next_back().unwrap_or_default();
    words.any(|word| word.len() > 250) || first.len() > 50 || unfinished.len() > 200
}

/// Whether it counts up or down.
pub(crate) fn counts(command: &[u8]) -> bool {
    [&b"incr "[..], b"decr ", b"ma "].into_iter().any(|name| has(command, name))
}

pub(crate) fn has(command: &[u8], text: &[u8]) -> bool {
    command.windows(text.len()).any(|window| window == text)
}

/// Whether it may flush with a delay.
fn delays_flush(command: &[u8]) -> bool {
    let flush = command.windows(9).position(|window| window == b"flush_all");
    flush.is_some_and(|at| command[at..].iter().any(|byte| (b'1'..=b'9').contains(byte)))
}

/// Whether it may give an item an exptime that passes during the test.
fn expires_soon(command: &[u8]) -> bool {
    let line = command.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let mut words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let verb = words.next().unwrap_or_default();
    let before = match verb {
        b"set" | b"add" | b"replace" | b"append" | b"prepend" | b"cas" => 2,
        b"touch" => 1,
        b"gat" | b"gats" => 0,
        _ => {
            let mut tokens =
                words.filter_map(|word| word.strip_prefix(b"T").or(word.strip_prefix(b"N")));
            return tokens.any(is_soon);
        }
    };
    words.nth(before).is_some_and(is_soon)
}

/// Whether memcached reads the word as a small number.
fn is_soon(word: &[u8]) -> bool {
    let is_space = |c: char| c.is_ascii_whitespace() || c == '\u{b}';
    let word = String::from_utf8_lossy(word);
    let number = word.trim_start_matches(is_space).trim_start_matches('+');
    let digits = number.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    // What wraps in 32 bits comes out small, too.
    digits.parse::<u128>().is_ok_and(|number| (1..100).contains(&(number % (1 << 32))))
}

/// How many bytes of an announced value are not there, where this is a storage command.
pub(crate) fn lacking(command: &[u8]) -> usize {
    let mut lines = command.splitn(2, |&byte| byte == b'\n');
    let (Some(line), behind) = (lines.next(), lines.next().unwrap_or_default()) else {
        return 0;
    };
    let line = line.split(|&byte| byte == 0).next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.split(' ').filter(|word| !word.is_empty());
    let before_len = if words.clone().next() == Some("ms") { 2 } else { 4 };
    let len = words.nth(before_len).unwrap_or_default();
    let number = len.trim_start().split(|c: char| c.is_ascii_whitespace()).next();
    // What wraps in 32 bits comes out short enough, or is refused.
    let len = number.and_then(|number| number.parse::<u64>().ok()).unwrap_or(0);
    usize::try_from(len % (1 << 32)).unwrap().saturating_sub(behind.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::{Generator, Step};

    #[test]
    fn no_exptime_passes_during_the_test() {
        for seed in 0..20_000 {
            for step in Generator::sequence(seed, seed % 2 == 0) {
                let (Step::Send(bytes) | Step::Alone(bytes) | Step::Close(bytes)) = step else {
                    continue;
                };
                // With a key that is too long nothing is stored.
                let refused = has_long_word(&bytes);
                assert!(refused || !expires_soon(&bytes), "{seed}: {}", bytes.escape_ascii());
            }
        }
    }
}
