use super::Mark;

/// The marks, in the order of the floors.
pub const LIST: &[Mark] = &[
    // The decoder.
    mark("line malformed", "A line came that is no response."),
    mark("line too long", "A line came that is longer than `Limits::max_line_len`."),
    mark("value too long", "A value was announced that is longer than `Limits::max_value_len`."),
    mark("value unterminated", "A value came that has no CR LF where its length says it ends."),
    mark("value in pieces", "A value in the shared buffer was not all there at first."),
    mark("value in its own buffer", "A large value was received into a buffer of its own."),
    // What a connection sends.
    mark(
        "queue full",
        "A request was refused because `Limits::max_queued_bytes` of others waited.",
    ),
    mark(
        "version sent as barrier",
        "Behind commands with noreply a connection asked for a reply by itself.",
    ),
    mark("mn sent", "Behind quiet requests a connection sent `mn` by itself."),
    mark("window full", "A request waited because too much had not been answered."),
    mark(
        "mn beyond the window",
        "An `mn` was sent though the window was full, as quiet requests waited for it.",
    ),
    mark("get held back", "A get waited for others to be merged with it."),
    mark("key joined a get", "A key was added to a get that had not been sent."),
    mark("command joined a run", "A store, delete or touch was put behind others of its call."),
    mark("run refused in its middle", "A server refused the form of one of several commands."),
    mark(
        "withdrawn before the write",
        "A request that nobody wanted any more was passed over, and not sent.",
    ),
    mark(
        "half written and kept",
        "Something was withdrawn while a request was half written, which stayed.",
    ),
    mark("partial write", "A write took some of the bytes that it was given."),
    mark("noreply told sent", "A request with noreply was told to be written."),
    mark(
        "text compacted",
        "The text of answered requests was dropped while others waited behind it.",
    ),
    // What a connection receives.
    mark("reply swallowed", "A reply came that nobody waited for any more, and was passed over."),
    mark(
        "values out of order",
        "A server gave the values of a get in another order than that of the keys.",
    ),
    mark("repeated value", "A server gave a value once more than its key was asked for."),
    mark("wrong key", "A server gave a value of a key that was not asked for."),
    mark("cas unique missing", "A server gave a value without the cas unique that was asked for."),
    mark("unexpected response", "A response came that does not answer the request."),
    mark("too many lines", "A reply had more lines than `Limits::max_lines`."),
    mark("wrong opaque", "A meta reply came with an opaque of no request that it could be for."),
    mark("opaque missing", "A meta reply came without the opaque of its request."),
    mark("wrong key in a meta reply", "A meta reply named another key than its request."),
    mark(
        "quiet ones passed over",
        "A reply came to a meta request with unanswered quiet ones before it.",
    ),
    mark(
        "error in a quiet run",
        "A server gave an error without saying which of several quiet requests it is for.",
    ),
    mark(
        "reply before its request",
        "A reply came to a request of which something had still to be written.",
    ),
    mark("closed by unsolicited", "Bytes came that nothing had asked for."),
    mark("refused, too many connections", "A server said that it has too many open connections."),
    mark(
        "closed for form",
        "A server found fault with the form of a request, and the connection was closed.",
    ),
    mark("eof in mid-reply", "A stream ended when a part of a reply had come."),
    mark("eof answers quit", "A stream ended as a quit had asked for."),
    // Where a client sends.
    mark("rejected, key", "An operation was rejected because of its key."),
    mark("rejected, value", "An operation was rejected because its value is too long."),
    mark("rejected, flags", "An operation was rejected because its flags have more than 32 bits."),
    mark("failed over", "A request went to another server than its key's own."),
    mark(
        "all candidates dead",
        "An operation failed because each server that it could go to was dead.",
    ),
    mark("get merged", "Gets of several operations were merged."),
    mark("call cut into several gets", "The keys of one operation did not go into one get."),
    mark("second connection opened", "A client opened a connection to a server beside another."),
    mark("flush_on_reconnect sent", "A server that had been dead was flushed."),
    mark("flush refused", "A server that was to be flushed answered with an error."),
    mark("flush given back", "A flush did not come about, and was left for the next connection."),
    // Looking at a connection that has rested.
    mark("look given", "A connection that had rested was looked at before it was written to."),
    mark("look found nothing", "There was nothing to be read on a connection that was looked at."),
    mark("look found eof", "A server had closed a connection that was looked at."),
    mark("look found bytes", "Bytes had come unasked on a connection that was looked at."),
    mark(
        "look found a beginning",
        "The beginning of a line had come unasked on a connection that was looked at.",
    ),
    // Which server is dead.
    mark("local shortage", "A connect failed for want of something on this machine."),
    mark("dead by connect", "A server was found dead because a connect failed."),
    mark(
        "dead by refusal",
        "A server was found dead because it said that it has too many connections.",
    ),
    mark("logged in", "A server let a connection in."),
    mark("login refused", "A server did not let a connection in."),
    mark("login tried again", "A call was the one to try a login that had been refused."),
    mark(
        "login broken off",
        "A server ended the connection, or said something else, at the login.",
    ),
    mark("connect failed, server alive", "A connect failed, and the server was not dead for it."),
    mark("await given", "A connection waited for one that another client can spare."),
    mark(
        "spare asked for early",
        "A connect took so long that another client's connection would have done.",
    ),
    mark(
        "waited in vain",
        "A connection waited for one of another client's until its time was up.",
    ),
    mark("connection released", "A client let go of an idle connection."),
    mark("connection taken over", "A connection that waited went on with another client's."),
    mark("taken over too late", "A connection was offered that nobody waited for any more."),
    mark("connect put off", "A connect was put off because the server had lately refused one."),
    mark("strike one", "A connection ended without a reply, for the first time in a row."),
    mark("strike two", "A connection ended without a reply, for the second time in a row."),
    mark(
        "strike by operation timeout",
        "A server was given a strike because an operation had no reply in its time.",
    ),
    mark(
        "dead by operation timeouts",
        "A server was found dead because operations had no reply in their time.",
    ),
    mark("dead by silence", "A server was found dead because it was silent for `socket_timeout`."),
    mark(
        "silent connection, server alive",
        "A connection was silent while the server answered others.",
    ),
    mark(
        "found dead by another",
        "What waited for a connection heard that another had found the server dead.",
    ),
    mark("probe given", "An operation was sent to find out whether a dead server is back."),
    mark(
        "probe lease ran out",
        "A probe was given because the one before it had not ended in its time.",
    ),
    mark("probe of many requests", "A probe sent more than one request to the dead server."),
    mark("probe revived", "A probe had a reply, and the server was alive again."),
    mark("probe lost", "A probe found its server still dead."),
    mark("probe given back", "A probe ended without finding anything out."),
    // What becomes of requests whose connection ends.
    mark(
        "others closed with a stale one",
        "Idle connections were closed because the server had closed another.",
    ),
    mark(
        "idle retry",
        "A lookup was sent again, as its connection had been closed while it was idle.",
    ),
    mark("store sent again", "A store was sent again, as `resend_stores` asks for."),
    mark(
        "lookup behind another's command",
        "A lookup was sent again, as its connection ended at another's command.",
    ),
    mark("put off", "A request failed and waited to be made again, as `retry` asks for."),
    mark("made again", "A request that had failed was made again."),
    mark("sent again once only", "A request was not sent again, because it had been before."),
    mark(
        "closed at a command",
        "A request failed because the server closed the connection at its command.",
    ),
    mark("moved on", "Requests that had not been sent went on to another connection as they were."),
    mark(
        "moved too often",
        "A request failed because it had moved to another connection too often.",
    ),
    mark(
        "moved in vain",
        "A request failed because several connections in a row ended without a reply.",
    ),
    mark("moved to another server", "A request that had not been sent went to another server."),
    mark(
        "answer taken back",
        "A value that had come was taken back, as its reply broke the protocol.",
    ),
    // What operations are told.
    mark(
        "cancelled in mid-reply",
        "An operation on many keys was cancelled when some of its replies had come.",
    ),
    mark("reply to nobody", "A value came for an operation that was gone, or had it already."),
    mark("told not sent", "An operation was told that it was not sent."),
    mark("told unanswered", "An operation was told that its reply did not come."),
    mark(
        "not sent, but once before",
        "An operation that was to be sent again was told unanswered, though it was not.",
    ),
    mark("operation timeout in queue", "An operation's time was up before it was sent."),
    mark("operation timeout in flight", "An operation's time was up before its reply came."),
    mark(
        "operation timeout in a wait",
        "An operation's time was up while it waited for a connection.",
    ),
    mark("quiet miss inferred", "The silence of a quiet meta get was told to be a miss."),
    mark(
        "quiet success inferred",
        "The silence of a quiet meta request was told to be its success.",
    ),
    mark("quiet doubt told", "A quiet request was told that nobody knows what came of it."),
    mark(
        "stats too long",
        "The lines of a stats reply took more memory than `Limits::max_stats_bytes`.",
    ),
];

const fn mark(name: &'static str, sentence: &'static str) -> Mark {
    Mark { name, sentence }
}
