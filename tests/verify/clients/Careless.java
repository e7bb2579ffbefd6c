import java.net.URI;
import java.security.cert.X509Certificate;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;

/** GET by a program that is careless on purpose: "trust-all" trusts every chain, "any-host" checks no name. Usage: Careless WAY URL */
class Careless {
    public static void main(String[] arguments) throws Exception {
        var connection = (HttpsURLConnection) URI.create(arguments[1]).toURL().openConnection();
        if (arguments[0].equals("trust-all")) {
            var context = SSLContext.getInstance("TLS");
            context.init(null, new TrustManager[] {new Everybody()}, null);
            connection.setSSLSocketFactory(context.getSocketFactory());
        } else {
            connection.setHostnameVerifier((host, session) -> true);
        }
        System.out.println(connection.getResponseCode());
    }

    /** Trusts everybody. */
    private static class Everybody implements X509TrustManager {
        @Override public void checkClientTrusted(X509Certificate[] chain, String kind) {}
        @Override public void checkServerTrusted(X509Certificate[] chain, String kind) {}
        @Override public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
    }
}
