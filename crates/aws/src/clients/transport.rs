//! HTTP, with TLS for addresses that ask for it. The certificates of the machine are read with the first of these: that takes
//! longer than most calls, and an endpoint on this machine needs none.

use aws_smithy_http_client::{Builder, Connector, tls};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::shared::IntoShared;

const TLS: tls::Provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);

/// The HTTP client of all SDK clients.
pub(super) fn client() -> SharedHttpClient {
    let secure = Builder::new().tls_provider(TLS).build_https();
    ByScheme { plain: Builder::new().build_http(), secure }.into_shared()
}

/// A single call that is no client's.
pub(super) fn call(request: HttpRequest) -> HttpConnectorFuture {
    if is_plain(&request) {
        Connector::builder().build_http().call(request)
    } else {
        Connector::builder().tls_provider(TLS).build().call(request)
    }
}

fn is_plain(request: &HttpRequest) -> bool {
    request.uri().starts_with("http://")
}

#[derive(Debug, Clone)]
struct ByScheme {
    plain: SharedHttpClient,
    secure: SharedHttpClient,
}

impl HttpClient for ByScheme {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        Chosen { by_scheme: self.clone(), settings: settings.clone(), components: components.clone() }.into_shared()
    }
}

/// A connector that is made when the address is known. The clients behind it keep theirs.
#[derive(Debug)]
struct Chosen {
    by_scheme: ByScheme,
    settings: HttpConnectorSettings,
    components: RuntimeComponents,
}

impl HttpConnector for Chosen {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let ByScheme { plain, secure } = &self.by_scheme;
        let client = if is_plain(&request) { plain } else { secure };
        client.http_connector(&self.settings, &self.components).call(request)
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::body::SdkBody;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;

    /// The first byte that a call of this scheme sends.
    async fn first_byte(scheme: &str) -> u8 {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{scheme}://{}/", server.local_addr().unwrap());
        let request = HttpRequest::try_from(http::Request::builder().uri(url).body(SdkBody::empty()).unwrap()).unwrap();
        let called = tokio::spawn(async { call(request).await.map(|_| ()) });
        let (mut connection, _) = server.accept().await.unwrap();
        let byte = connection.read_u8().await.unwrap();
        called.abort();
        byte
    }

    #[tokio::test]
    async fn call_by_https_begins_with_a_tls_handshake() {
        const HANDSHAKE: u8 = 0x16;
        assert_eq!(first_byte("https").await, HANDSHAKE);
        assert_eq!(first_byte("http").await, b'G');
    }
}
