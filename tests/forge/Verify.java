// Java's own judgement of chains: for each folder given, root.pem is trusted and chain.pem is judged for its host.
import java.io.*;
import java.nio.file.*;
import java.security.KeyStore;
import java.security.cert.*;
import java.util.*;
import javax.net.ssl.*;

public class Verify {
    public static void main(String[] folders) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        for (String folder : folders) {
            Path here = Path.of(folder);
            String said;
            try {
                KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
                store.load(null, null);
                store.setCertificateEntry("root", factory.generateCertificate(Files.newInputStream(here.resolve("root.pem"))));
                TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
                trust.init(store);
                X509Certificate[] chain = factory.generateCertificates(Files.newInputStream(here.resolve("chain.pem"))).toArray(new X509Certificate[0]);
                ((X509TrustManager) trust.getTrustManagers()[0]).checkServerTrusted(chain, "ECDHE_RSA");
                said = "ok";
            } catch (Exception e) {
                Throwable deepest = e;
                while (deepest.getCause() != null) deepest = deepest.getCause();
                said = deepest.getMessage().replaceAll("\\s+", " ");
            }
            System.out.println(here.getFileName() + "\t" + said);
        }
    }
}
