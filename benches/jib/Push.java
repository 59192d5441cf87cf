import com.google.cloud.tools.jib.api.Containerizer;
import com.google.cloud.tools.jib.api.Jib;
import com.google.cloud.tools.jib.api.JibContainerBuilder;
import com.google.cloud.tools.jib.api.RegistryImage;
import com.google.cloud.tools.jib.api.buildplan.AbsoluteUnixPath;
import com.google.cloud.tools.jib.api.buildplan.FileEntriesLayer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Push BASE TARGET CACHE APP_ROOT DIRECTORY: an exploded WAR or jar as the three layers that Jib's plugins make of it. */
class Push {
    public static void main(String[] args) throws Exception {
        Path app = Path.of(args[4]);
        FileEntriesLayer.Builder libraries = FileEntriesLayer.builder().setName("dependencies");
        FileEntriesLayer.Builder resources = FileEntriesLayer.builder().setName("resources");
        FileEntriesLayer.Builder classes = FileEntriesLayer.builder().setName("classes");
        List<Path> files;
        try (var walk = Files.walk(app)) {
            files = walk.filter(Files::isRegularFile).sorted().toList();
        }
        for (Path file : files) {
            String name = app.relativize(file).toString();
            AbsoluteUnixPath to = AbsoluteUnixPath.get(args[3]).resolve(name);
            (name.matches("((WEB|BOOT)-INF/)?lib/.*") ? libraries : name.endsWith(".class") ? classes : resources).addEntry(file, to);
        }
        JibContainerBuilder image = Jib.from(RegistryImage.named(args[0]));
        for (FileEntriesLayer.Builder layer : List.of(libraries, resources, classes)) {
            if (!layer.build().getEntries().isEmpty()) {
                image.addFileEntriesLayer(layer.build());
            }
        }
        Path cache = Path.of(args[2]);
        var pushed = image.containerize(Containerizer.to(RegistryImage.named(args[1])).setAllowInsecureRegistries(true)
            .setApplicationLayersCache(cache).setBaseImageLayersCache(cache).setToolName("bench"));
        System.out.println(pushed.getDigest());
        System.exit(0);
    }
}
