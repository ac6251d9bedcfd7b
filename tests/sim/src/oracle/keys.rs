//! Keys of any bytes.

use memcache_proto::codec::{Command, MetaGet, MetaKey};
use memcache_proto::{Key, KeyBuf, KeyError, KeyRef, Limits, MAX_KEY_LEN, ToKey};

/// Takes the bytes for a key.
///
/// # Panics
///
/// Panics if what is taken for a key could be anything else on a line, if what is one is refused, or if a
/// key of any bytes does not come back from base64.
pub fn keys(bytes: &[u8]) {
    check(bytes);
    // The same at the lengths where it no longer fits.
    for len in [186, 187, 250, 251] {
        check(&bytes.iter().copied().cycle().take(len).collect::<Vec<_>>());
    }
}

fn check(bytes: &[u8]) {
    let forbidden = |byte: &u8| *byte <= b' ' || *byte == 0x7f;
    let is_key = (1..=MAX_KEY_LEN).contains(&bytes.len()) && !bytes.iter().any(forbidden);
    let key = Key::new(bytes);
    assert_eq!(key.is_ok(), is_key, "{key:?}");
    assert_eq!(
        KeyBuf::new(bytes).map(|key| key.as_key().as_bytes().to_vec()).ok(),
        key.map(|key| key.as_bytes().to_vec()).ok()
    );
    match key {
        Ok(key) => {
            assert_eq!((key.as_bytes(), key.len()), (bytes, bytes.len()));
            assert_eq!(Key::from_wire(bytes), Some(key));
            reads_back(Command::Delete { key, noreply: false });
            let borrowed: KeyRef<'_> = bytes.to_key().expect("it is a key");
            assert_eq!(borrowed.as_key(), key);
        }
        Err(KeyError::Empty) => assert!(bytes.is_empty()),
        Err(KeyError::TooLong { len, max }) => {
            assert_eq!((len, max), (bytes.len(), MAX_KEY_LEN));
            assert!(len > max);
        }
        Err(KeyError::Forbidden { byte, position }) => {
            assert!(forbidden(&byte), "{byte:#x}");
            assert_eq!(bytes.get(position), Some(&byte));
        }
        Err(other) => panic!("{other:?} is not known here"),
    }

    let Ok(key) = MetaKey::new(bytes) else {
        let fits = match is_key || !bytes.iter().any(forbidden) {
            true => bytes.len() <= MAX_KEY_LEN,
            false => bytes.len() <= MAX_KEY_LEN / 4 * 3,
        };
        return assert!(bytes.is_empty() || !fits, "a key of {} bytes", bytes.len());
    };
    assert_eq!(key.is_base64(), !is_key);
    assert_eq!(key.decode(&mut [0; MAX_KEY_LEN]), Some(bytes));
    let mut out = Vec::new();
    Command::MetaGet(MetaGet::new(key)).encode(&mut out);
    let parsed = Command::parse(&out, &Limits::default());
    let Ok(Some((Command::MetaGet(_), _))) = parsed else { panic!("{parsed:?}") };
    let (command, len) = parsed.ok().flatten().expect("it was parsed");
    let read = command.as_meta().expect("a meta command").key();
    assert_eq!(len, out.len());
    assert_eq!(read.decode(&mut [0; MAX_KEY_LEN]), Some(bytes), "{}", out.escape_ascii());
    assert_eq!(read.is_base64(), key.is_base64());
}

fn reads_back(command: Command<'_>) {
    let mut out = Vec::new();
    command.encode(&mut out);
    assert_eq!(Command::parse(&out, &Limits::default()), Ok(Some((command, out.len()))));
}
