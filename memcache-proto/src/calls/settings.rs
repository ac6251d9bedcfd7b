/// The settings of a client as methods of a builder, the same of every adapter: put it into the `impl`
/// of a type with a field `config`, a [`Config`](crate::calls::Config).
#[doc(hidden)]
#[macro_export]
macro_rules! __settings {
    () => {
        /// Adds a server: `host`, `host:port`, `inet:host:port`, `[address]:port` of IPv6,
        /// `inet6:[host]:port`, `/path` or `unix:path`. Default port: 11211. Order
        /// matters: all clients of a cache must list the same servers in the same order.
        pub fn server(self, address: &str) -> Self {
            self.weighted_server(address, 1)
        }

        /// Adds a server that gets `weight` shares of the keys; 0 for none.
        pub fn weighted_server(mut self, address: &str, weight: i32) -> Self {
            self.config.add_server(address, weight);
            self
        }

        /// Adds servers: addresses, each of weight 1, or pairs of an address and a weight.
        pub fn servers<S: $crate::calls::ToServer>(
            mut self,
            servers: impl IntoIterator<Item = S>,
        ) -> Self {
            self.config.servers.extend(servers.into_iter().map(|server| server.to_server()));
            self
        }

        /// Adds the servers of one text, with commas between them and `*` and a weight behind them:
        /// `.server_list("10.0.0.1, 10.0.0.2:11212*2")`. See [`ServerList`](crate::ServerList).
        ///
        /// If the text is wrong, `build` fails with [`Error::Servers`](crate::Error::Servers), which says
        /// where.
        pub fn server_list(mut self, servers: &str) -> Self {
            self.config.add_server_list(servers);
            self
        }

        /// Adds the servers of a URL, and sets the login and the settings that it names. What is called
        /// after this has the last word.
        ///
        /// [`Url`](crate::Url) has the form, and all parameters in a table. If the URL is wrong, `build`
        /// fails with [`Error::Url`](crate::Error::Url), which says where. If it begins with
        /// `memcached+tls` and the client was built without TLS, `build` fails with
        /// [`Error::WithoutTls`](crate::Error::WithoutTls).
        pub fn url(self, url: &str) -> Self {
            self.with_url($crate::calls::Url::parse(url).map_err(From::from))
        }

        /// Adds the servers, and sets the login and the settings, that environment variables name:
        /// `MEMCACHED_URL`, a [`url`](Self::url), or else `MEMCACHED_SERVERS`, a
        /// [`server_list`](Self::server_list). `MEMCACHED_USERNAME` and `MEMCACHED_PASSWORD` are the login
        /// unless the URL has one. See [`Url::from_vars`](crate::Url::from_vars).
        ///
        /// If neither `MEMCACHED_URL` nor `MEMCACHED_SERVERS` is set, or one of them is wrong, `build` fails
        /// with [`Error::Vars`](crate::Error::Vars).
        pub fn env(self) -> Self {
            let lookup = |name: &str| std::env::var_os(name).map(|value| value.into_encoded_bytes());
            self.with_url($crate::calls::Url::from_vars(lookup).map_err(From::from))
        }

        /// How long after the servers have been asked for they are asked for again, with
        /// [`discover`](Self::discover). Less than 10 ms counts as 10 ms. Default: 60 s.
        pub fn discover_every(mut self, every: std::time::Duration) -> Self {
            self.config.discovery.every = every;
            self
        }

        fn with_url(mut self, url: Result<$crate::calls::Url, $crate::calls::Error>) -> Self {
            match url {
                Ok(url) => {
                    url.apply(&mut self.config);
                    self.with_own_settings(&url)
                }
                Err(error) => {
                    self.config.fail(error);
                    self
                }
            }
        }

        /// How long a connect may take before the server is dead, its login included. Default: as long as
        /// [`socket_timeout`](Self::socket_timeout).
        pub fn connect_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.config.settings.connect_timeout = Some(timeout);
            self
        }

        /// How long a server may show no progress before it is dead, and how long a connect may take unless
        /// [`connect_timeout`](Self::connect_timeout) says so; 3 s.
        pub fn socket_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.config.settings.socket_timeout = timeout;
            self
        }

        /// How long one call may take in all, its steps included; by default as long as there is progress. A call that
        /// has to wait for its turn may wait as long again for it, and a value that it computes has as long again to be
        /// stored. [`within`](crate::Client::within) gives single calls another time.
        pub fn operation_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.config.settings.operation_timeout = Some(timeout);
            self
        }

        /// How long a dead server is left alone; 30 s.
        pub fn dead_retry(mut self, retry: std::time::Duration) -> Self {
            self.config.settings.dead_retry = retry;
            self
        }

        /// By how much longer a server is left alone each further time that it dies without an answer in between:
        /// with 2 for 30 s, 60 s, 120 s and so on, up to [`dead_retry_max`](Self::dead_retry_max). Default: 1, always
        /// as long, as in python-memcached.
        pub fn dead_retry_factor(mut self, factor: u32) -> Self {
            self.config.settings.dead_retry_factor = factor;
            self
        }

        /// How long a dead server is left alone at most, if [`dead_retry_factor`](Self::dead_retry_factor) makes it
        /// longer each time. Default: 10 minutes.
        pub fn dead_retry_max(mut self, max: std::time::Duration) -> Self {
            self.config.settings.dead_retry_max = max;
            self
        }

        /// Put before every key; it counts toward the 250 bytes of a key. None by default.
        pub fn key_prefix(mut self, prefix: impl AsRef<[u8]>) -> Self {
            self.config.settings.key_prefix = prefix.as_ref().to_vec();
            self
        }

        /// Whether keys with control characters are refused; yes. Those that could end a key are in any
        /// case, and a key is never longer than 250 bytes.
        pub fn check_keys(mut self, check: bool) -> Self {
            self.config.keys = self.config.keys.check_keys(check);
            self
        }

        /// Called with each key, without any prefix, before it is checked; what it returns is the key:
        /// `|key| Ok(key.escape_ascii().collect())`, for instance. Where it fails nothing is sent, and the
        /// call returns its error as [`Error::KeyEncoder`](crate::Error::KeyEncoder).
        pub fn key_encoder(
            mut self,
            encoder: impl Fn(&[u8]) -> Result<Vec<u8>, $crate::value::Cause> + Send + Sync + 'static,
        ) -> Self {
            self.config.keys = self.config.keys.key_encoder(encoder);
            self
        }

        /// The longest key sent, in bytes, its prefix included; 250, and never more.
        pub fn server_max_key_length(mut self, len: usize) -> Self {
            self.config.settings.limits.server_max_key_length = len;
            self
        }

        /// The longest value sent, in bytes, after compression; 1 MiB, 0 for no limit.
        pub fn server_max_value_length(mut self, len: usize) -> Self {
            self.config.settings.limits.server_max_value_length = len;
            self
        }

        /// Whether a server that was dead is flushed before anything else is asked of it; no. It may
        /// hold values that have been changed elsewhere meanwhile.
        pub fn flush_on_reconnect(mut self, flush: bool) -> Self {
            self.config.settings.flush_on_reconnect = flush;
            self
        }

        /// Whether a key whose server is dead goes to another server, as it does in python-memcached.
        /// Default: yes.
        ///
        /// If not, calls on the key fail (or are misses, with
        /// [`unavailable_is_miss`](Self::unavailable_is_miss)) until its server is back, and no old value is
        /// ever found on another server later.
        pub fn failover(mut self, failover: bool) -> Self {
            self.config.settings.failover = failover;
            self
        }

        /// Has each connection log in, before anything else is sent there, to servers that ask for it: a memcached
        /// with `-Y`. Nobody logs in by default.
        ///
        /// A server that refuses fails all calls on it with
        /// [`FailureKind::LoginRefused`](crate::FailureKind::LoginRefused): no key goes to another server, and it is
        /// asked again after `dead_retry`. The password can be read on the way, unless the connection is one of TLS
        /// or does not leave the machine.
        pub fn credentials(mut self, user: &str, password: &str) -> Self {
            self.config.set_credentials(user, password);
            self
        }

        /// How long a connection may rest before it is looked at when it is used again. Default: 1 ms.
        ///
        /// A look costs one system call, and finds out what came unasked: that the server has closed the
        /// connection, or sent a reply too many. The call then goes out on a new connection. A connection
        /// that is in use all the time is never looked at.
        pub fn max_rest(mut self, rest: std::time::Duration) -> Self {
            self.config.settings.max_rest = rest;
            self
        }

        /// How many cas uniques each of [`cas_ids`](crate::Client::cas_ids) remembers. Default: 0, which
        /// remembers nothing.
        pub fn cache_cas(mut self, ids: usize) -> Self {
            self.config.cache_cas = ids;
            self
        }

        /// The times of [`get_or_set_with`](crate::Client::get_or_set_with).
        pub fn recache(mut self, recache: $crate::calls::Recache) -> Self {
            self.config.recache = recache;
            self
        }

        /// Whether a lookup on a server that is unavailable (dead, not answering, not connected) is a miss,
        /// as it is in python-memcached. Default: no.
        ///
        /// Lookups are get, gets, gat, get_many, meta_get, item_info and meta_debug, and what begins with
        /// one: get_or_set, get_or_add and get_or_set_with compute the value then, and say that they could
        /// not store it; update goes on as if nothing were there. Stores and changes fail as ever: nobody
        /// should believe that they were made.
        ///
        /// What the server answers is never a miss for it: a proxy's `SERVER_ERROR` for a server that it
        /// has lost is an error, because it cannot be told from any other `SERVER_ERROR`.
        pub fn unavailable_is_miss(mut self, miss: bool) -> Self {
            self.config.unavailable_is_miss = miss;
            self
        }

        /// Has `debug` told what happens between the client and its servers: the server's name and the
        /// event, never a value, and a key only where a server sent one in a line that it should not have
        /// sent. The thread or task that makes a call runs it, so it should be quick.
        pub fn debug(
            mut self,
            debug: impl Fn(&str, &$crate::client::NoticeEvent) + Send + Sync + 'static,
        ) -> Self {
            self.config.debug = Some(std::sync::Arc::new(debug));
            self
        }

        /// Has the crate `log` log what happens between the client and its servers, with the target
        /// `memcache`: trouble as warnings, the rest for debugging.
        #[cfg(feature = "log")]
        pub fn debug_log(self) -> Self {
            self.debug(|server, event| {
                let level =
                    if event.is_trouble() { log::Level::Warn } else { log::Level::Debug };
                log::log!(target: "memcache", level, "{server}: {event}");
            })
        }

        /// Has the crate `tracing` record what happens between the client and its servers, with the
        /// target `memcache`: trouble as warnings, the rest for debugging.
        #[cfg(feature = "tracing")]
        pub fn debug_tracing(self) -> Self {
            self.debug(|server, event| {
                if event.is_trouble() {
                    tracing::warn!(target: "memcache", server, "{event}");
                } else {
                    tracing::debug!(target: "memcache", server, "{event}");
                }
            })
        }

        /// Has `observe` told what came of each call, when it has ended: which server was asked, hits and misses,
        /// how long it took. It holds no key and no value. The thread or task that makes the call runs `observe`, so
        /// it should be quick. It costs nothing if nobody observes.
        ///
        /// Calls of several steps, `get_or_set` for instance, are told of step by step. A call whose future is
        /// dropped before it has ended is not told of.
        pub fn observe(
            mut self,
            observe: impl Fn(&$crate::calls::Observation<'_>) + Send + Sync + 'static,
        ) -> Self {
            self.config.observe(observe);
            self
        }

        /// Has the crate `tracing` make a span of each call, with the target `memcache`, by OpenTelemetry's names:
        /// `db.operation.name`, `server.address`, `error.type` and so on. It holds no key and no value. The span
        /// begins and ends with the call, in the span that the call is made in.
        #[cfg(feature = "tracing")]
        pub fn trace_calls(mut self) -> Self {
            self.config.observers.push($crate::__call_spans!());
            self
        }

        /// Has the crate `metrics` record each call, by OpenTelemetry's names where there are some. Install a
        /// recorder of that crate, for Prometheus for instance, to see them.
        ///
        /// | metric | what |
        /// |---|---|
        /// | `db.client.operation.duration` | histogram, in seconds: how long a call took, by `db.operation.name`, `server.address`, `server.port` and `error.type` |
        /// | `db.client.connection.wait_time` | histogram, in seconds: how long it waited for its turn |
        /// | `memcached.hits`, `memcached.misses`, `memcached.failed` | how many keys were found, were not there, or failed |
        /// | `memcached.again` | how many requests were given to another connection than the first |
        /// | `memcached.stored`, `memcached.found` | how many bytes the values had that were sent, and found |
        ///
        /// All have the labels `db.system.name` and `db.operation.name`.
        #[cfg(feature = "metrics")]
        pub fn metrics(self) -> Self {
            $crate::__describe_metrics!();
            self.observe(|seen| $crate::__record_call!(seen))
        }

        /// Has the client be the equal of another client: the same keys on the same servers, and the
        /// same values. See [`Profile`](crate::Profile).
        pub fn profile(mut self, profile: $crate::calls::Profile) -> Self {
            self.config.set_profile(profile);
            self
        }

        /// How the servers share the keys; as python-memcached's do.
        pub fn distribution(mut self, distribution: $crate::routing::Distribution) -> Self {
            self.config.settings.distribution = distribution;
            self
        }

        /// Whether the prefix takes part in choosing a key's server; yes.
        pub fn hash_with_prefix_key(mut self, hash: bool) -> Self {
            self.config.settings.hash_with_prefix_key = hash;
            self
        }

        /// How values are stored and read; as python-memcached 1.60 and later do.
        pub fn value_format(mut self, format: $crate::value::ValueFormat) -> Self {
            self.config.transcoder.format = format;
            self
        }

        /// What compresses values in place of zlib, and inflates them. Where it fails, nothing is sent, or
        /// the value is not read, and the call returns its error in an
        /// [`Error::Value`](crate::Error::Value).
        pub fn compressor(mut self, compressor: impl $crate::value::Compressor + 'static) -> Self {
            self.config.transcoder.compressor = Some(std::sync::Arc::new(compressor));
            self
        }

        /// What makes of Python's pickles something else, and the other way round: python-memcached's
        /// pickler and unpickler.
        pub fn serializer(mut self, serializer: impl $crate::value::Serializer + 'static) -> Self {
            self.config.transcoder.serializer = Some(std::sync::Arc::new(serializer));
            self
        }

        /// The hash that chooses a key's server; that of python-memcached 1.60 and later.
        pub fn key_hash(mut self, hash: $crate::routing::KeyHash) -> Self {
            self.config.settings.key_hash = hash;
            self
        }

        /// Values of more bytes than this are compressed where it makes them shorter; 0, the default, for
        /// never.
        pub fn min_compress_len(mut self, len: usize) -> Self {
            self.config.transcoder.min_compress_len = len;
            self
        }

        /// Whether a store, delete, incr, decr or touch, of meta calls too, is sent again when the
        /// connection it was sent on had been closed by the server meanwhile; it may then be applied
        /// twice. No by default; reads always are.
        pub fn resend_stores(mut self, resend: bool) -> Self {
            self.config.settings.resend_stores = resend;
            self
        }

        /// Which requests that failed are made again, how often, and after how long: `.retry(Retry::times(3))`. See
        /// [`Retry`](crate::Retry). Default: none.
        pub fn retry(mut self, retry: $crate::client::Retry) -> Self {
            self.config.settings.retry = retry;
            self
        }

        /// The bounds of everything, the longest value for instance.
        pub fn limits(mut self, limits: $crate::Limits) -> Self {
            self.config.settings.limits = limits;
            self.config.transcoder.max_inflated_len = limits.max_inflated_len;
            self
        }
    };
}
