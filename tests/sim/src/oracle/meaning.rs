//! The flags of a meta command, read letter by letter from its line, and what the codec says of them.

use memcache_proto::codec::{Command, MetaRequest, SetMode, Token};

/// Every flag on the line of a meta command has come through.
pub(super) fn check_flags(text: &[u8], command: &Command<'_>) {
    let Some(request) = command.as_meta() else { return };
    if matches!(request, MetaRequest::Debug(_)) {
        return;
    }
    let flags = flags_of(text);
    let shown = text.escape_ascii();
    let of = |letter: u8| flags.iter().find(|(other, _)| *other == letter).map(|(_, token)| *token);
    let has = |letter| of(letter).is_some();
    let name = name_of(&request);

    assert_eq!(request.key().is_base64(), has(b'b'), "b of {shown}");
    assert_eq!(request.is_quiet(), has(b'q'), "q of {shown}");
    assert_eq!(request.is_unaccessed(), has(b'u') && name == "mg", "u of {shown}");
    assert_eq!(request.removes_value(), has(b'x') && name == "md", "x of {shown}");
    let invalidates = has(b'I') && matches!(name, "ms" | "md");
    assert_eq!(request.invalidates(), invalidates, "I of {shown}");
    for letter in *b"vfcsthlk" {
        assert_eq!(request.returns(letter), has(letter), "{} of {shown}", char::from(letter));
    }

    let tokens =
        [(b'O', request.opaque()), (b'P', request.proxy_token()), (b'L', request.lane_token())];
    for (letter, read) in tokens {
        let read = read.as_ref().map(Token::as_bytes);
        let token = of(letter).filter(|token| token.len() <= Token::MAX_LEN);
        assert_eq!(read, token, "{} of {shown}", char::from(letter));
    }

    let vivifies = name != "md";
    let numbers = [
        (b'T', true, request.exptime().map(|exptime| i128::from(exptime.to_wire()))),
        (b'N', vivifies, request.vivify().map(|exptime| i128::from(exptime.to_wire()))),
        (b'R', name == "mg", request.recache().map(i128::from)),
        (b'C', true, request.compare_cas().map(i128::from)),
        (b'E', true, request.explicit_cas().map(i128::from)),
    ];
    for (letter, is_known, read) in numbers {
        let letter_shown = char::from(letter);
        assert_eq!(read.is_some(), is_known && has(letter), "{letter_shown} of {shown}");
        if let Some((read, plain)) = read.zip(of(letter).and_then(plain_number)) {
            // What memcached keeps in 32 bits wraps, and a win cannot be further back than now.
            let kept = match letter {
                b'T' | b'N' => wrapped(plain),
                b'R' => wrapped(plain).max(0),
                _ => plain,
            };
            assert_eq!(read, kept, "{letter_shown} of {shown}");
        }
    }

    if name == "ma" {
        let delta = of(b'D').map_or(Some(1), plain_number);
        check_number(request.delta(), delta, "D", text);
        let initial = of(b'J').map_or(Some(0), plain_number);
        let initial = if has(b'N') { initial } else { None };
        assert_eq!(request.initial().is_some(), has(b'N'), "J of {shown}");
        check_number(request.initial(), initial, "J", text);
        let down = matches!(of(b'M'), Some(b"D" | b"-"));
        assert_eq!(request.is_decrement(), down, "M of {shown}");
    }
    if name == "ms" {
        check_number(
            Some(request.new_flags().bits()),
            of(b'F').map_or(Some(0), plain_number),
            "F",
            text,
        );
        let mode = match of(b'M') {
            Some(b"E") => SetMode::Add,
            Some(b"R") => SetMode::Replace,
            Some(b"A") => SetMode::Append,
            Some(b"P") => SetMode::Prepend,
            _ => SetMode::Set,
        };
        assert_eq!(request.mode(), Some(mode), "M of {shown}");
        let behind = text.iter().position(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        assert_eq!(request.value(), text[behind..].strip_suffix(b"\r\n"), "{shown}");
    }

    // They are encoded each once, and those by whose order servers go in that in which they came.
    let mut encoded = Vec::new();
    request.encode_flags(&mut encoded);
    let letters = encoded.split(|&byte| byte == b' ').filter_map(|word| word.first());
    let mut letters: Vec<u8> = letters.copied().collect();
    let matter = if name == "mg" { &b"RTNt"[..] } else { b"TNt" };
    if matches!(name, "mg" | "ma") {
        let encoded = letters.iter().filter(|letter| matter.contains(letter)).copied();
        let came = flags.iter().map(|(letter, _)| *letter).filter(|letter| matter.contains(letter));
        assert!(encoded.eq(came), "{} of {shown}", String::from_utf8_lossy(&letters));
    }
    letters.sort_unstable();
    assert!(
        letters.windows(2).all(|two| two[0] != two[1]),
        "{} of {shown}",
        encoded.escape_ascii()
    );
}

/// A command as it is sent, but for the opaque: each connection has its own.
pub(super) fn text_of(command: &Command<'_>) -> Vec<u8> {
    let command = match command.as_meta() {
        Some(request) => request.with_opaque(Token::number(0)).into(),
        None => *command,
    };
    let mut text = Vec::new();
    command.encode(&mut text);
    text
}

fn check_number(read: Option<u64>, plain: Option<i128>, letter: &str, text: &[u8]) {
    if let Some((read, plain)) = read.zip(plain) {
        assert_eq!(i128::from(read), plain, "{letter} of {}", text.escape_ascii());
    }
}

fn name_of(request: &MetaRequest<'_>) -> &'static str {
    match request {
        MetaRequest::Get(_) => "mg",
        MetaRequest::Set(_) => "ms",
        MetaRequest::Delete(_) => "md",
        MetaRequest::Arithmetic(_) => "ma",
        MetaRequest::Debug(_) => "me",
    }
}

/// The flags on the first line of `text`: the letter of each, and its token.
fn flags_of(text: &[u8]) -> Vec<(u8, &[u8])> {
    let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = line.split(|&byte| byte == 0).next().unwrap_or_default();
    let mut words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let name = words.next();
    let skipped = if name == Some(b"ms") { 2 } else { 1 };
    words
        .skip(skipped)
        .filter_map(|word| word.split_first().map(|(&letter, token)| (letter, token)))
        .collect()
}

/// A number in its plain form; the others are C's to read.
fn plain_number(token: &[u8]) -> Option<i128> {
    let digits = token.strip_prefix(b"-").unwrap_or(token);
    let is_plain = (1..=18).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(token).ok().filter(|_| is_plain)?.parse().ok()
}

/// As 32 bits keep it.
fn wrapped(number: i128) -> i128 {
    let low = number.rem_euclid(1 << 32);
    if low < 1 << 31 { low } else { low - (1 << 32) }
}
