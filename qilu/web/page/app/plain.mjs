// The status page without libraries: the sentence and the road, from the same live topic as the whole page.

const address = new URL("api/v1/live", document.baseURI);
address.protocol = address.protocol.replace("http", "ws");

const say = (id, text) => { document.getElementById(id).textContent = text; };

function show(overview) {
  say("zh", overview.sentence.zh);
  say("en", overview.sentence.en);
  const { machines, gateway, broker } = overview.road;
  const rows = [
    ["设备 machines", `${machines.answering} / ${machines.expected}`],
    ["网关 readings/s", String(gateway.readings_per_s)],
    ["消息服务器 broker", `${broker.connected ? "✓" : "✕"} ${broker.address}`],
  ];
  document.getElementById("road").replaceChildren(...rows.flatMap(([name, value]) => {
    const [term, text] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name;
    text.textContent = value;
    return [term, text];
  }));
}

// The page asks for a new snapshot at each change: it needs no merging of its own.
function connect() {
  const socket = new WebSocket(address);
  let asked = 0;
  socket.onopen = () => socket.send('{"subscribe": ["overview"]}');
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (message.snapshot) show(message.snapshot);
    else if (message.changes && Date.now() - asked > 2000) {
      asked = Date.now();
      socket.send('{"resync": "overview"}');
    }
  };
  socket.onclose = () => {
    say("zh", "连接中断");
    say("en", "Connection lost");
    setTimeout(connect, 1000 + Math.random() * 2000);
  };
}

connect();
