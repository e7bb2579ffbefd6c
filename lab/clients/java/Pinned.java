import java.net.URI;
import java.security.MessageDigest;
import java.util.Base64;
import javax.net.ssl.HttpsURLConnection;

/** GET by a program that knows its server's key: checked after the handshake, as OkHttp does. Usage: Pinned URL PIN */
class Pinned {
    public static void main(String[] arguments) throws Exception {
        var connection = (HttpsURLConnection) URI.create(arguments[0]).toURL().openConnection();
        connection.setConnectTimeout(10_000);
        connection.setReadTimeout(10_000);
        connection.connect();
        var key = connection.getServerCertificates()[0].getPublicKey().getEncoded();
        var seen = Base64.getEncoder().encodeToString(MessageDigest.getInstance("SHA-256").digest(key));
        if (!seen.equals(arguments[1])) {
            System.err.println("pin mismatch: " + seen);
            connection.disconnect();
            System.exit(90);
        }
        System.out.println(connection.getResponseCode());
    }
}
