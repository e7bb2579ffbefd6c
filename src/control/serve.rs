//! The router, and serving it on loopback or on a Unix socket.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, Uri};
use axum::middleware::from_fn_with_state;
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::body::MOST_BYTES;
use super::guard::{Token, guard};
use super::handle::Handle;
use super::problem::Problem;
use super::routes::routes;

/// What every handler can reach.
#[derive(Clone)]
pub(super) struct App(Arc<Inner>);

struct Inner {
    handle: Arc<dyn Handle>,
    token: Token,
    streams: Arc<Semaphore>,
}

impl App {
    pub(super) fn lab(&self) -> &dyn Handle {
        &*self.0.handle
    }

    pub(super) fn handle(&self) -> &Arc<dyn Handle> {
        &self.0.handle
    }

    pub(super) fn token(&self) -> &Token {
        &self.0.token
    }

    /// Room for event streams.
    pub(super) fn streams(&self) -> &Arc<Semaphore> {
        &self.0.streams
    }
}

/// Everything under `/v1`, behind the guard. It can be merged into another router, such as a console's.
pub fn router(handle: Arc<dyn Handle>, token: Token) -> Router {
    let app = App(Arc::new(Inner { handle, token, streams: Arc::new(Semaphore::new(MOST_STREAMS)) }));
    let all = routes().into_iter().fold(Router::new(), |router, route| router.route(route.path, route.handler));
    all.method_not_allowed_fallback(wrong_method)
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .layer(from_fn_with_state(app.clone(), guard))
        .with_state(app)
}

/// Serves a router on a loopback listener until the future is dropped.
///
/// # Errors
/// The listener is not on loopback (it is not served then), or failed.
pub async fn serve(listener: TcpListener, router: Router) -> io::Result<()> {
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        let text = format!("rule `loopback-only`: the control API listens on loopback, not on {address}");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    let listener = listener.tap_io(|stream| {
        // The kernel would let a reader that does not read lag by megabytes. Where it cannot be set, it does.
        let _ = socket2::SockRef::from(&*stream).set_send_buffer_size(SEND_BUFFER);
    });
    axum::serve(listener, router).await
}

async fn unknown(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(80).collect();
    Problem::not_found(format!("nothing is at `{path}`")).hint("`GET /v1/openapi.json` describes all that there is")
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(80).collect();
    let method: String = method.as_str().chars().take(20).collect();
    Problem::new(axum::http::StatusCode::METHOD_NOT_ALLOWED, format!("`{path}` knows no `{method}`"))
        .hint("the `Allow` header names the methods")
}

/// Bytes on their way to one client; a chunk of events is some 50 kB.
const SEND_BUFFER: usize = 64 * 1024;
/// Event streams at once. Each costs a connection and a few kilobytes.
const MOST_STREAMS: usize = 2048;
