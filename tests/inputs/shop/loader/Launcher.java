package loader;

import java.io.File;
import java.io.FileInputStream;
import java.io.InputStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.ArrayList;
import java.util.List;
import java.util.jar.Attributes;
import java.util.jar.Manifest;

/** Starts an unpacked archive, as Spring Boot's launchers do: by its manifest, from the directory that this class is in. */
public class Launcher {
    public static void main(String[] arguments) throws Exception {
        File home = new File(Launcher.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        Attributes attributes;
        try (InputStream manifest = new FileInputStream(new File(home, "META-INF/MANIFEST.MF"))) {
            attributes = new Manifest(manifest).getMainAttributes();
        }
        List<URL> path = new ArrayList<>();
        path.add(new File(home, attributes.getValue("Spring-Boot-Classes")).toURI().toURL());
        for (String directory : new String[] {attributes.getValue("Spring-Boot-Lib"), "WEB-INF/lib-provided"}) {
            File[] libraries = new File(home, directory).listFiles();
            for (File library : libraries == null ? new File[0] : libraries) {
                path.add(library.toURI().toURL());
            }
        }
        ClassLoader loader = new URLClassLoader(path.toArray(new URL[0]), Launcher.class.getClassLoader());
        Class<?> main = Class.forName(attributes.getValue("Start-Class"), true, loader);
        main.getMethod("main", String[].class).invoke(null, (Object) arguments);
    }
}
