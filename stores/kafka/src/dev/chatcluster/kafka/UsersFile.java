package dev.chatcluster.kafka;

import java.io.IOException;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.NameCallback;
import javax.security.auth.callback.PasswordCallback;
import javax.security.auth.callback.UnsupportedCallbackException;
import javax.security.auth.login.AppConfigurationEntry;
import org.apache.kafka.common.security.auth.AuthenticateCallbackHandler;
import org.apache.kafka.common.security.plain.PlainAuthenticateCallback;

/**
 * SASL PLAIN users from a file that is read at each sign-in: {@code user=password[,password…]}, a line each. So passwords
 * change while the broker runs, and an old and a new one are good at the same time. Open connections are left as they
 * are. The broker signs in to its own kind as {@code broker}, by the first of its passwords, with this same class.
 */
public final class UsersFile implements AuthenticateCallbackHandler {
    private static final Path FILE =
            Path.of(System.getProperty("chatcluster.users", "/run/secrets/chatcluster/users.properties"));
    private static final String BROKER = "broker";

    @Override
    public void configure(Map<String, ?> configs, String mechanism, List<AppConfigurationEntry> entries) {}

    @Override
    public void handle(Callback[] callbacks) throws IOException, UnsupportedCallbackException {
        String name = null;
        for (Callback callback : callbacks) {
            if (callback instanceof NameCallback asked) {
                // As a server it is told who signs in, as a client it is asked who it is.
                name = asked.getDefaultName() != null ? asked.getDefaultName() : BROKER;
                asked.setName(name);
            } else if (callback instanceof PlainAuthenticateCallback claim) {
                claim.authenticated(accepts(name, claim.password()));
            } else if (callback instanceof PasswordCallback asked) {
                asked.setPassword(passwords(BROKER)[0].toCharArray());
            } else {
                throw new UnsupportedCallbackException(callback);
            }
        }
    }

    @Override
    public void close() {}

    private static boolean accepts(String name, char[] password) throws IOException {
        byte[] claimed = new String(password).getBytes(StandardCharsets.UTF_8);
        boolean accepted = false;
        for (String known : passwords(name)) {
            accepted |= !known.isEmpty() && MessageDigest.isEqual(known.getBytes(StandardCharsets.UTF_8), claimed);
        }
        return accepted;
    }

    private static String[] passwords(String name) throws IOException {
        Properties users = new Properties();
        try (Reader reader = Files.newBufferedReader(FILE)) {
            users.load(reader);
        }
        return users.getProperty(name, "").split(",");
    }
}
