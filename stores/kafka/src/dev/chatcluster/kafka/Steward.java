package dev.chatcluster.kafka;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import javax.management.JMException;
import javax.management.ObjectName;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.admin.QuorumInfo.ReplicaState;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Looks at the cluster again and again: tells its node's {@link State}, and on the active controller's node, of which
 * there is one, does what {@link Duties} finds to do. So it goes on for as long as Kafka does, and needs nobody else.
 */
final class Steward {
    static final Duration PERIOD = Duration.ofSeconds(2);

    private static final Logger LOG = LoggerFactory.getLogger(Steward.class);
    private static final Duration PATIENCE = Duration.ofMinutes(10);
    private static final Duration AT_WORK = Duration.ofMillis(200);
    private static final Duration CAUGHT_UP = Duration.ofSeconds(5);
    private static final int MOST_TOLD = 20;
    private static final int CONNECT_MILLIS = 1000;

    private final int id;
    private final Path wishes;
    private final InetSocketAddress own;
    private final Properties client;
    private final State state;
    private final Instant began = Instant.now();
    private boolean settled;
    private String doing = "";
    private String problem = "";

    Steward(int id, Path wishes, InetSocketAddress own, Properties server, State state) {
        this.id = id;
        this.wishes = wishes;
        this.own = own;
        this.state = state;
        client = new Properties();
        client.put(AdminClientConfig.BOOTSTRAP_SERVERS_CONFIG, own.getHostString() + ":" + own.getPort());
        client.put(AdminClientConfig.REQUEST_TIMEOUT_MS_CONFIG, "3000");
        client.put(AdminClientConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, "5000");
        client.put("security.protocol", "SASL_PLAINTEXT");
        client.put("sasl.mechanism", "PLAIN");
        client.put("sasl.jaas.config", "org.apache.kafka.common.security.plain.PlainLoginModule required;");
        client.put("sasl.client.callback.handler.class", server.getProperty("sasl.client.callback.handler.class"));
    }

    void start() {
        Thread thread = new Thread(this::run, "steward");
        thread.setDaemon(true);
        thread.start();
    }

    private void run() {
        try {
            awaitBroker();
        } catch (InterruptedException over) {
            Thread.currentThread().interrupt();
            return;
        }
        try (Admin admin = Admin.create(client)) {
            Duties duties = new Duties(id, admin);
            while (true) {
                boolean working = turn(admin, duties);
                Thread.sleep((working ? AT_WORK : PERIOD).toMillis());
            }
        } catch (InterruptedException over) {
            Thread.currentThread().interrupt();
        }
    }

    /** Until then an admin client would only fill the log. */
    private void awaitBroker() throws InterruptedException {
        while (true) {
            try (Socket socket = new Socket()) {
                socket.connect(own, CONNECT_MILLIS);
                return;
            } catch (IOException notYet) {
                state.waiting("the broker starts");
                Thread.sleep(PERIOD.toMillis());
            }
        }
    }

    /** Whether something was done, which more is likely to follow. */
    private boolean turn(Admin admin, Duties duties) throws InterruptedException {
        try {
            Look look = Look.at(admin);
            Wished wished = Wished.read(wishes);
            boolean working = act(duties, look, wished);
            List<Look.Held> held = look.held();
            state.seen(view(look, held), whyNotReady(look, held, wished), mayStop(look, held, wished));
            return working;
        } catch (InterruptedException over) {
            throw over;
        } catch (Exception failure) {
            // Most of all while the broker starts; a look that fails later is one that cannot tell that all is well.
            state.waiting("the broker does not answer: " + message(failure));
            return false;
        }
    }

    private boolean act(Duties duties, Look look, Wished wished) throws InterruptedException {
        if (!activeController() || look.quorum() == null) {
            doing = "";
            problem = "";
            return false;
        }
        try {
            String done = duties.next(look, wished);
            if (!done.isEmpty()) {
                LOG.info("{}", done);
                doing = done;
            }
            problem = "";
            return !done.isEmpty();
        } catch (ExecutionException | IllegalArgumentException refused) {
            String reason = message(refused);
            if (!reason.equals(problem)) {
                LOG.warn("What is to be done could not be done, and is tried again: {}", reason);
            }
            problem = reason;
            return false;
        }
    }

    /** "" when this broker serves and its copies are in step; when it has just come, all else must be as wished too. */
    private String whyNotReady(Look look, List<Look.Held> held, Wished wished) {
        if (!look.alive(id)) {
            return "the broker has not joined yet";
        }
        long late = held.stream()
                .filter(some -> some.copies().contains(id) && !some.inStep().contains(id))
                .count();
        if (late > 0) {
            return late + " of its copies are not in step yet";
        }
        // Whoever restarts brokers one after the other takes the next once this one is ready, and must not find yet
        // another out of step then. Later one broker's absence is no other's fault. The wait ends, as the remedy for
        // the one that is out of step may be the very restart that waits for this.
        String missing = missing(look, held, wished);
        settled |= missing.isEmpty() || Instant.now().isAfter(began.plus(PATIENCE));
        return settled ? "" : missing;
    }

    private String missing(Look look, List<Look.Held> held, Wished wished) {
        if (wished.controllers().contains(id) && (look.quorum() == null || !votes(look))) {
            return "it does not vote for the controller yet";
        }
        long apart = held.stream()
                .filter(some -> !some.whole() || some.copies().size() < wished.replication())
                .count();
        return apart == 0 ? "" : apart + " partitions have fewer copies in step than there should be";
    }

    private boolean votes(Look look) {
        return look.quorum().voters().stream().anyMatch(voter -> voter.replicaId() == id);
    }

    /** Whether all writes are still taken without this node, and the others still elect a controller. */
    private boolean mayStop(Look look, List<Look.Held> held, Wished wished) {
        if (wished.members() <= wished.inSync()) {
            return true; // there is nobody to wait for
        }
        if (look.quorum() == null) {
            return false;
        }
        boolean copies = held.stream()
                .filter(some -> some.inStep().contains(id))
                .allMatch(some -> some.inStep().size() > wished.inSync());
        return copies && (!votes(look) || electWithoutThis(look, wished));
    }

    private boolean electWithoutThis(Look look, Wished wished) {
        List<ReplicaState> voters = look.quorum().voters();
        long newest = voters.stream()
                .mapToLong(voter -> voter.lastCaughtUpTimestamp().orElse(0))
                .max()
                .orElse(0);
        long others = voters.stream()
                .filter(voter -> voter.replicaId() != id)
                .filter(voter -> voter.lastCaughtUpTimestamp().orElse(0) >= newest - CAUGHT_UP.toMillis())
                .count();
        return others > wished.controllers().size() / 2;
    }

    private State.View view(Look look, List<Look.Held> held) {
        Map<Integer, Integer> holds = new HashMap<>();
        Map<Integer, Integer> leads = new HashMap<>();
        List<String> behind = new ArrayList<>();
        // What is still on its way to or from a broker is on it.
        look.placed().values().forEach(brokers -> brokers.forEach(broker -> holds.merge(broker, 1, Integer::sum)));
        for (Look.Held some : held) {
            leads.merge(some.leader(), 1, Integer::sum);
            some.copies().stream()
                    .filter(copy -> !some.inStep().contains(copy))
                    .forEach(copy -> behind.add(some.partition() + " on " + copy));
        }
        List<State.Broker> brokers = look.brokers().keySet().stream()
                .map(broker -> new State.Broker(
                        broker, look.alive(broker), holds.getOrDefault(broker, 0), leads.getOrDefault(broker, 0)))
                .toList();
        List<Integer> voters = look.quorum() == null
                ? List.of()
                : look.quorum().voters().stream().map(ReplicaState::replicaId).sorted().toList();
        return new State.View(
                look.quorum() == null ? -1 : look.quorum().leaderId(),
                voters,
                brokers,
                behind.stream().sorted().limit(MOST_TOLD).toList(),
                behind.size(),
                look.moving().size(),
                doing,
                problem);
    }

    private static boolean activeController() {
        try {
            ObjectName name = new ObjectName("kafka.controller:type=KafkaController,name=ActiveControllerCount");
            Object count = ManagementFactory.getPlatformMBeanServer().getAttribute(name, "Value");
            return count instanceof Number number && number.intValue() == 1;
        } catch (JMException notThereYet) {
            return false;
        }
    }

    private static String message(Exception failure) {
        Throwable cause = failure instanceof ExecutionException && failure.getCause() != null
                ? failure.getCause()
                : failure;
        return cause.getClass().getSimpleName() + ": " + cause.getMessage();
    }
}
