package dev.chatcluster.kafka;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.DescribeClusterOptions;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.admin.PartitionReassignment;
import org.apache.kafka.clients.admin.QuorumInfo;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;

/**
 * The cluster at one moment.
 *
 * @param brokers   all that are registered, by id
 * @param topics    all of them, Kafka's own too
 * @param moving    partitions that are under way to another place
 * @param quorum    null while nobody knows it
 */
record Look(
        Map<Integer, Node> brokers,
        Map<String, TopicDescription> topics,
        Map<TopicPartition, PartitionReassignment> moving,
        QuorumInfo quorum) {

    /** A partition, and the copies of it that count: those that are only on their way do not. */
    record Held(TopicPartition partition, List<Integer> copies, Set<Integer> inStep, int leader) {
        boolean whole() {
            return inStep.containsAll(copies);
        }
    }

    static Look at(Admin admin) throws ExecutionException, InterruptedException {
        Collection<Node> nodes = admin.describeCluster(new DescribeClusterOptions().includeFencedBrokers(true))
                .nodes()
                .get();
        Set<String> names =
                admin.listTopics(new ListTopicsOptions().listInternal(true)).names().get();
        Map<String, TopicDescription> topics =
                admin.describeTopics(names).allTopicNames().get();
        Map<Integer, Node> brokers = new TreeMap<>();
        nodes.forEach(node -> brokers.put(node.id(), node));
        // Asked of the active controller: without one the brokers serve on, and so does what is said of them.
        try {
            return new Look(
                    brokers,
                    topics,
                    admin.listPartitionReassignments().reassignments().get(),
                    admin.describeMetadataQuorum().quorumInfo().get());
        } catch (ExecutionException nobodyLeads) {
            return new Look(brokers, topics, Map.of(), null);
        }
    }

    boolean alive(int broker) {
        return brokers.containsKey(broker) && !brokers.get(broker).isFenced();
    }

    /** The brokers of each partition, the preferred leader first. */
    Map<TopicPartition, List<Integer>> placed() {
        Map<TopicPartition, List<Integer>> placed = new HashMap<>();
        each((partition, info) ->
                placed.put(partition, info.replicas().stream().map(Node::id).toList()));
        return placed;
    }

    List<Held> held() {
        List<Held> held = new ArrayList<>();
        each((partition, info) -> {
            List<Integer> copies =
                    new ArrayList<>(info.replicas().stream().map(Node::id).toList());
            if (moving.containsKey(partition)) {
                copies.removeAll(moving.get(partition).addingReplicas());
            }
            Set<Integer> inStep =
                    new HashSet<>(info.isr().stream().map(Node::id).toList());
            held.add(new Held(partition, copies, inStep, info.leader() == null ? -1 : info.leader().id()));
        });
        return held;
    }

    private void each(java.util.function.BiConsumer<TopicPartition, TopicPartitionInfo> use) {
        topics.forEach((name, topic) ->
                topic.partitions().forEach(info -> use.accept(new TopicPartition(name, info.partition()), info)));
    }
}
