import java.util.logging.Logger;

public class Main {
    public static void main(String[] args) throws Exception {
        Logger logger = Logger.getLogger("app");
        int lines = Integer.parseInt(args[0]);
        for (int number = 0; number < lines; number++) {
            String text = "rotated line %07d with some text behind it, so that it is as long as usual";
            logger.info(String.format(text, number));
            if (number % 10 == 9) {
                Thread.sleep(20);
            }
        }
        Thread.sleep(1000); // compressing goes on beside
    }
}
