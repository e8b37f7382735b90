package dev.chatcluster.kafka;

import java.io.IOException;
import java.io.Reader;
import java.io.Writer;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Properties;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One node of the cluster: prepares its storage, then is Kafka, with a steward beside it in the same process.
 *
 * <p>The first nodes are broker and controller, the others broker alone. An empty disk says nothing of whether the cluster
 * is new, so nobody with one begins before it knows: node 0 founds the cluster once every other node has said that it
 * knows of none; everybody else, and node 0 in any other case, joins the one that there is. So a member that lost its
 * volume comes back as a new voter, which it must (KIP-853), and never as the old one that has forgotten everything.
 */
public final class Node {
    private static final Logger LOG = LoggerFactory.getLogger(Node.class);
    private static final long ASK_AGAIN_MILLIS = 500;

    private final Path wishes = Path.of(setting("KAFKA_WISHED", "/etc/chatcluster/cluster.json"));
    private final Path given = Path.of(setting("KAFKA_PROPERTIES", "/etc/chatcluster/server.properties"));
    private final Path properties = Path.of(System.getProperty("java.io.tmpdir"), "server.properties");
    private final String bind = setting("KAFKA_BIND", "");
    private final int id = nodeId();

    private Node() {}

    public static void main(String[] arguments) {
        try {
            new Node().run();
        } catch (Exception failure) {
            // The threads that say how this node is would go on without it, and nobody would start it again.
            LOG.error("The node could not be started", failure);
            System.exit(1);
        }
    }

    private void run() throws Exception {
        Wished wished = Wished.read(wishes);
        Properties server = configuration(wished);
        try (Writer writer = Files.newBufferedWriter(properties)) {
            server.store(writer, null);
        }
        Path data = Path.of(server.getProperty("log.dirs"));
        Path formatted = data.resolve("meta.properties");
        State state = new State(id, Files.exists(formatted));
        StateServer.open(state, bind, wished.ports().state());
        if (!state.formed()) {
            format(foundsAfterAsking(state) ? "--standalone" : "--no-initial-controllers");
            state.nowFormed();
        }
        InetSocketAddress own = new InetSocketAddress(
                bind.isEmpty() ? "127.0.0.1" : bind, wished.ports().client());
        new Steward(id, wishes, own, server, state).start();
        kafka.Kafka.main(new String[] {properties.toString()});
    }

    /** Everything that depends on which node this is; the rest is the same on all and is given. */
    private Properties configuration(Wished wished) throws IOException {
        Properties server = new Properties();
        try (Reader reader = Files.newBufferedReader(given)) {
            server.load(reader);
        }
        Wished.Ports ports = wished.ports();
        boolean controls = id < Wished.MOST_CONTROLLERS;
        server.setProperty("node.id", String.valueOf(id));
        server.setProperty("process.roles", controls ? "broker,controller" : "broker");
        server.setProperty("listeners", listeners(controls, bind, ports));
        server.setProperty("advertised.listeners", listeners(controls, wished.hostOf(id), ports));
        server.setProperty(
                "controller.quorum.bootstrap.servers",
                wished.controllers().stream()
                        .map(node -> wished.hostOf(node) + ":" + ports.controller())
                        .collect(Collectors.joining(",")));
        // Of what Kafka makes for itself.
        String copies = String.valueOf(wished.replication());
        server.setProperty("default.replication.factor", copies);
        server.setProperty("offsets.topic.replication.factor", copies);
        server.setProperty("transaction.state.log.replication.factor", copies);
        server.setProperty("transaction.state.log.min.isr", String.valueOf(wished.inSync()));
        String zone = setting("KAFKA_RACK", "");
        if (!zone.isEmpty()) {
            server.setProperty("broker.rack", zone);
        }
        return server;
    }

    private static String listeners(boolean controls, String host, Wished.Ports ports) {
        String client = "CLIENT://" + host + ":" + ports.client();
        return controls ? client + ",CONTROLLER://" + host + ":" + ports.controller() : client;
    }

    /** Waits until it is known whether there is a cluster; true when there is none and this node is to found it. */
    private boolean foundsAfterAsking(State state) throws Exception {
        while (true) {
            Wished wished = Wished.read(wishes);
            List<Integer> others =
                    wished.ids().stream().filter(node -> node != id).toList();
            boolean allNew = true;
            for (int node : others) {
                Boolean formed = StateServer.formed(wished.hostOf(node), wished.ports().state());
                if (Boolean.TRUE.equals(formed)) {
                    LOG.info("Node {} knows of a cluster: joining it", node);
                    return false;
                }
                if (formed == null) {
                    allNew = false;
                    state.waiting("asks node " + node + " whether there is a cluster already, which does not answer");
                }
            }
            if (allNew && id == 0) {
                LOG.info("No node knows of a cluster: founding one");
                return true;
            }
            if (allNew) {
                state.waiting("waits for node 0 to found the cluster");
            }
            Thread.sleep(ASK_AGAIN_MILLIS);
        }
    }

    private void format(String how) {
        String cluster = System.getenv("KAFKA_CLUSTER_ID");
        // In one word: one in 64 begins with a hyphen, and would be taken for an option.
        String[] arguments = {"format", "--cluster-id=" + cluster, "--config", properties.toString(), how};
        int code = kafka.tools.StorageTool.execute(arguments, System.out);
        if (code != 0) {
            throw new IllegalStateException("the storage could not be formatted");
        }
    }

    private static int nodeId() {
        String host = setting("HOSTNAME", "");
        return Integer.parseInt(setting("KAFKA_NODE_ID", host.substring(host.lastIndexOf('-') + 1)));
    }

    private static String setting(String name, String otherwise) {
        String value = System.getenv(name);
        return value == null || value.isEmpty() ? otherwise : value;
    }
}
