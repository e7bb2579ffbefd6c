import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import javax.net.ssl.HttpsURLConnection;

/** GET with HttpsURLConnection. */
class Get {
    public static void main(String[] arguments) throws Exception {
        var connection = (HttpsURLConnection) URI.create(arguments[0]).toURL().openConnection();
        connection.setConnectTimeout(10_000);
        connection.setReadTimeout(10_000);
        System.out.println(connection.getResponseCode());
        try (var body = new BufferedReader(new InputStreamReader(connection.getInputStream()))) {
            System.out.println(body.readLine());
        }
    }
}
