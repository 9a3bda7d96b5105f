//! A proxy between the functions and the local AWS, where calls meet faults: by function, by operation, by which call of its
//! kind it is. It counts, so the same faults over the same calls do the same again.

mod call;
mod fault;
mod http;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use guardrails_local_aws::{ACCOUNT, REGION};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub use call::Call;
pub use fault::{Aim, Fault, Kind};
use http::Request;

/// The stack whose functions call through here.
pub(crate) const STACK: &str = "budget-guardrails";
/// The last calls that are kept for people.
const KEPT: usize = 400;

/// The proxy. It listens as long as the process runs.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    /// The local AWS.
    behind: OnceLock<SocketAddr>,
    state: Mutex<State>,
    /// Calls that have not come to their end, those among them whose caller is gone.
    under_way: AtomicUsize,
}

#[derive(Debug)]
struct State {
    began: Instant,
    armed: Vec<Armed>,
    seen: BTreeMap<Call, u32>,
    log: VecDeque<String>,
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    matched: u32,
    happened: u32,
}

impl Proxy {
    /// Listens on a free port of this machine.
    ///
    /// # Errors
    /// When there is none.
    pub async fn listen() -> io::Result<Arc<Self>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let state = State { began: Instant::now(), armed: Vec::new(), seen: BTreeMap::new(), log: VecDeque::new() };
        let (behind, under_way) = (OnceLock::new(), AtomicUsize::new(0));
        let proxy = Arc::new(Self { url, behind, state: Mutex::new(state), under_way });
        let serving = Arc::downgrade(&proxy);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Some(proxy) = serving.upgrade() else { break };
                tokio::spawn(async move {
                    proxy.under_way.fetch_add(1, Ordering::SeqCst);
                    if let Err(error) = proxy.serve(stream).await {
                        proxy.note(&format!("a call could not be passed on: {error}"));
                    }
                    proxy.under_way.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Ok(proxy)
    }

    /// Where the functions call.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Says where the local AWS is.
    ///
    /// # Errors
    /// When it is no address of this machine.
    pub fn stand_before(&self, endpoint: &str) -> io::Result<()> {
        let address = endpoint.trim_start_matches("http://").parse().map_err(io::Error::other)?;
        self.behind.set(address).map_err(|_| io::Error::other("it stands before a local AWS already"))
    }

    /// From now on calls meet these faults, counted from here.
    pub fn arm(&self, faults: &[Fault]) {
        let armed = faults.iter().map(|fault| Armed { fault: fault.clone(), matched: 0, happened: 0 });
        self.state().armed = armed.collect();
    }

    /// From now on nothing happens to calls any more. Says how often each fault had happened.
    pub fn lift(&self) -> Vec<(Fault, u32)> {
        let armed = std::mem::take(&mut self.state().armed);
        armed.into_iter().map(|armed| (armed.fault, armed.happened)).collect()
    }

    /// Has any of the faults happened?
    #[must_use]
    pub fn has_struck(&self) -> bool {
        self.state().armed.iter().any(|armed| armed.happened > 0)
    }

    /// The calls since this was asked last, and how many there were of each.
    pub fn seen(&self) -> BTreeMap<Call, u32> {
        std::mem::take(&mut self.state().seen)
    }

    /// The last lines of the log, which begins anew.
    pub fn log(&self) -> Vec<String> {
        let mut state = self.state();
        state.began = Instant::now();
        std::mem::take(&mut state.log).into()
    }

    /// Is no call under way, nor any whose caller is gone?
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.under_way.load(Ordering::SeqCst) == 0
    }

    /// How many alerts are on their way to a function, or wait for its next try.
    ///
    /// # Errors
    /// When the local AWS does not say.
    pub async fn deliveries(&self) -> io::Result<usize> {
        let (_, body) = self.ask(&Request::new("GET", "/_guardrails/deliveries", &[], "")).await?;
        body.trim().parse().map_err(io::Error::other)
    }

    /// Gives a function so many seconds for an invocation, as an operator might.
    ///
    /// # Errors
    /// When the local AWS refuses.
    pub async fn set_timeout(&self, function: &str, seconds: u32) -> io::Result<()> {
        let path = format!("/2015-03-31/functions/{STACK}-{function}/configuration");
        // The account's root is believed with any signature.
        let signed = format!(
            "AWS4-HMAC-SHA256 Credential={ACCOUNT}/20260101/{REGION}/lambda/aws4_request, SignedHeaders=host, Signature=0"
        );
        let headers = [("authorization", signed.as_str()), ("x-amz-date", "20260101T000000Z")];
        let (status, body) = self.ask(&Request::new("PUT", &path, &headers, &format!(r#"{{"Timeout": {seconds}}}"#))).await?;
        if status == 200 { Ok(()) } else { Err(io::Error::other(format!("setting the time-out of {function}: {body}"))) }
    }

    async fn ask(&self, request: &Request) -> io::Result<(u16, String)> {
        Ok(http::parts(&request.send(self.behind()?).await?))
    }

    fn behind(&self) -> io::Result<SocketAddr> {
        self.behind.get().copied().ok_or_else(|| io::Error::other("the local AWS is not there yet"))
    }

    async fn serve(self: &Arc<Self>, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let Some(request) = Request::read(&mut stream).await? else { return Ok(()) };
        let (call, port) = Call::read(&request);
        let Some(kind) = self.judge(&call) else {
            let answer = request.send(self.behind()?).await?;
            self.note(&format!("{call}: {}", http::parts(&answer).0));
            return stream.write_all(&answer).await;
        };
        self.note(&format!("{call}: INJECTED {kind}"));
        match kind {
            Kind::Throttled | Kind::Refused | Kind::Failed => return stream.write_all(&fault::refusal(&call, kind)).await,
            Kind::Slow(time) => {
                tokio::time::sleep(time).await;
                let answer = request.send(self.behind()?).await?;
                // Its caller may have given up.
                let _ = stream.write_all(&answer).await;
                return Ok(());
            }
            Kind::Hangs => {
                let _ = stream.read(&mut [0]).await;
                return Ok(());
            }
            Kind::Reset => {}
            Kind::AnswerLost => {
                request.send(self.behind()?).await?;
            }
            Kind::KilledBefore => self.kill(port).await?,
            Kind::KilledAfter => {
                request.send(self.behind()?).await?;
                self.kill(port).await?;
            }
            Kind::LandsLate(time) => {
                self.kill(port).await?;
                tokio::time::sleep(time).await;
                let answer = request.send(self.behind()?).await?;
                self.note(&format!("{call}: landed late: {}", http::parts(&answer).0));
            }
        }
        // A reset, not an end.
        stream.set_zero_linger()
    }

    /// The fault of a call: the first of those that are due.
    fn judge(&self, call: &Call) -> Option<Kind> {
        let mut state = self.state();
        *state.seen.entry(call.clone()).or_default() += 1;
        let mut met = None;
        for armed in state.armed.iter_mut().filter(|armed| armed.fault.hits(call)) {
            armed.matched += 1;
            if met.is_none() && armed.fault.is_due(armed.matched) {
                armed.happened += 1;
                met = Some(armed.fault.kind);
            }
        }
        met
    }

    /// SIGKILL for the function's process, by the local AWS that started it.
    async fn kill(&self, port: Option<u16>) -> io::Result<()> {
        let port = port.ok_or_else(|| io::Error::other("the caller is no function's process"))?;
        let (_, body) = self.ask(&Request::new("POST", &format!("/_guardrails/kill/{port}"), &[], "")).await?;
        self.note(&format!("killed the process of port {port}: {}", body.trim()));
        Ok(())
    }

    fn note(&self, what: &str) {
        let mut state = self.state();
        let line = format!("{:>7.3} {what}", state.began.elapsed().as_secs_f64());
        state.log.push_back(line);
        if state.log.len() > KEPT {
            state.log.pop_front();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Between two looks at whether something has come about.
pub(crate) const POLL: Duration = Duration::from_millis(100);
