import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

public class Main {
    public static void main(String[] args) throws Exception {
        Logger logger = LoggerFactory.getLogger("app");
        int lines = Integer.parseInt(args[0]);
        for (int number = 0; number < lines; number++) {
            String text = "rotated line %07d with some text behind it, so that it is as long as usual";
            logger.info(String.format(text, number));
            // Logback looks at the size at every 16th line, and more seldom where those come in less
            // than 100 ms.
            if (number % 5 == 4) {
                Thread.sleep(36);
            }
        }
        Thread.sleep(1000); // compressing goes on beside
    }
}
