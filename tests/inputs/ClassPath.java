import java.net.URL;
import java.util.Collections;

/** Prints the text `place.txt` of each jar on the class path, those that manifests name included. */
public class ClassPath {
    public static void main(String[] arguments) throws Exception {
        for (URL url : Collections.list(ClassLoader.getSystemClassLoader().getResources("place.txt"))) {
            System.out.write(url.openStream().readAllBytes());
            System.out.println();
        }
    }
}
