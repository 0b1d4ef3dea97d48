import com.cloudhopper.commons.charset.CharsetUtil;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.jsmpp.bean.InterfaceVersion;
import org.jsmpp.bean.OptionalParameter;
import org.jsmpp.bean.SubmitSm;
import org.jsmpp.extra.ProcessRequestException;
import org.jsmpp.session.BindRequest;
import org.jsmpp.session.SMPPServerSession;
import org.jsmpp.session.SMPPServerSessionListener;
import org.jsmpp.session.ServerMessageReceiverListener;
import org.jsmpp.session.SubmitSmResult;
import org.jsmpp.util.MessageId;

/**
 * An SMSC on a port of 127.0.0.1 that takes the password "secret" and tells what it got, a line of tab-separated
 * fields each. What it answers depends on the end of the destination: 0001 a bad address, 0002 a status of its own,
 * 0003 throttled the first time, 0004 hangs up the first time.
 */
public class Smsc {
    private static final Set<String> SEEN = ConcurrentHashMap.newKeySet();
    private static final AtomicInteger IDS = new AtomicInteger();

    public static void main(String[] arguments) throws Exception {
        SMPPServerSessionListener listener = new SMPPServerSessionListener(Integer.parseInt(arguments[0]));
        say("listening");
        while (true) {
            SMPPServerSession session = listener.accept();
            new Thread(() -> bind(session)).start();
        }
    }

    private static void bind(SMPPServerSession session) {
        session.setMessageReceiverListener((ServerMessageReceiverListener) Proxy.newProxyInstance(
            Smsc.class.getClassLoader(),
            new Class<?>[] {ServerMessageReceiverListener.class},
            (proxy, method, values) -> method.getName().equals("onAcceptSubmitSm")
                ? take((SubmitSm) values[0], session) : null));
        try {
            BindRequest request = session.waitForBind(5000);
            if (!"secret".equals(request.getPassword())) {
                request.reject(0x0E);
                return;
            }
            request.accept("smsc", InterfaceVersion.IF_34);
            say("bound", request.getSystemId(), request.getBindType().name());
        } catch (Exception error) {
            say("unbound", String.valueOf(error));
        }
    }

    private static SubmitSmResult take(SubmitSm message, SMPPServerSession session) throws Exception {
        String to = message.getDestAddress();
        boolean first = SEEN.add(to);
        if (to.endsWith("0001")) {
            throw new ProcessRequestException("no such address", 0x0B);
        }
        if (to.endsWith("0002")) {
            throw new ProcessRequestException("a status of our own", 0x0455);
        }
        if (to.endsWith("0003") && first) {
            throw new ProcessRequestException("throttled", 0x58);
        }
        if (to.endsWith("0004") && first) {
            session.close();
            return null;
        }
        byte[] data = message.getShortMessage();
        int header = (message.getEsmClass() & 0x40) == 0 ? 0 : data[0] + 1;
        say("message", to,
            message.getSourceAddr(), String.valueOf(message.getSourceAddrTon()), String.valueOf(message.getSourceAddrNpi()),
            String.valueOf(message.getDestAddrTon()), String.valueOf(message.getDestAddrNpi()),
            String.valueOf(message.getDataCoding()), String.valueOf(message.getEsmClass()), message.getValidityPeriod(),
            hex(data, 0, header), hex(data, header, data.length),
            escape(text(message.getDataCoding(), data, header)), parameters(message));
        return new SubmitSmResult(new MessageId("id" + IDS.incrementAndGet()), new OptionalParameter[0]);
    }

    private static String text(byte dataCoding, byte[] data, int from) {
        byte[] payload = java.util.Arrays.copyOfRange(data, from, data.length);
        switch (dataCoding) {
            case 0: return CharsetUtil.decode(payload, CharsetUtil.CHARSET_GSM);
            case 8: return new String(payload, StandardCharsets.UTF_16BE);
            default: return "";
        }
    }

    /** The optional parameters as they came, tag and length included, with commas between. */
    private static String parameters(SubmitSm message) {
        StringBuilder all = new StringBuilder();
        for (OptionalParameter parameter : message.getOptionalParameters()) {
            byte[] bytes = parameter.serialize();
            all.append(all.length() == 0 ? "" : ",").append(hex(bytes, 0, bytes.length));
        }
        return all.toString();
    }

    private static String hex(byte[] data, int from, int to) {
        StringBuilder digits = new StringBuilder();
        for (int at = from; at < to; at++) {
            digits.append(String.format("%02x", data[at]));
        }
        return digits.toString();
    }

    private static String escape(String text) {
        return text.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t");
    }

    private static synchronized void say(String... fields) {
        byte[] line = (String.join("\t", fields) + "\n").getBytes(StandardCharsets.UTF_8);
        System.out.write(line, 0, line.length);
        System.out.flush();
    }
}
