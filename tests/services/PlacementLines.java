import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.chatcluster.kafka.Placement;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.TopicPartition;

/** Plans what each line of its input describes, for test_kafka_placement.py. */
public final class PlacementLines {
    public static void main(String[] arguments) throws Exception {
        ObjectMapper json = new ObjectMapper();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            JsonNode asked = json.readTree(line);
            Map<TopicPartition, List<Integer>> current = new HashMap<>();
            for (JsonNode brokers : asked.get("current")) {
                List<Integer> ids = new ArrayList<>();
                brokers.forEach(broker -> ids.add(broker.asInt()));
                current.put(new TopicPartition("t", current.size()), ids);
            }
            Map<Integer, String> racks = new HashMap<>();
            asked.get("racks").fields().forEachRemaining(entry ->
                    racks.put(Integer.valueOf(entry.getKey()), entry.getValue().asText()));
            Map<String, List<Integer>> plan = new HashMap<>();
            Placement.plan(current, racks, asked.get("copies").asInt(), asked.get("even").asBoolean())
                    .forEach((partition, brokers) -> plan.put(String.valueOf(partition.partition()), brokers));
            System.out.println(json.writeValueAsString(plan));
        }
    }
}
