// Tests the module beside `inspect`, and the page in Chromium.
//
//     node test.mjs PAGE INSPECT
import { strict as assert } from "node:assert";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

const [pagePath, inspectPath] = process.argv.slice(2);
const folder = new URL("../../testdata/captures/", import.meta.url).pathname;
const captures = readdirSync(folder).filter(name => /\.(bin|pcap)$/.test(name));
assert(captures.length > 60);
const packed = readFileSync(pagePath, "utf8").match(/<script id="wasm"[^>]*>([^<]*)/)[1];
const module = new WebAssembly.Module(gunzipSync(Buffer.from(packed, "base64")));

/** What the page is told of a file: its first line, and all rows. */
function read(file, options = "--version auto") {
  const { memory, input, inspect, rows, output } = new WebAssembly.Instance(module).exports;
  const head = Buffer.from(options + "\n");
  const bytes = Buffer.concat([head, file]);
  const address = input(bytes.length);
  new Uint8Array(memory.buffer).set(bytes, address);
  const text = length => Buffer.from(memory.buffer, output(), length).toString();
  const first = text(inspect()).split("\t");
  const lines = [];
  for (let from = 0; from < Number(first[0]);) {
    const some = text(rows(from)).trimEnd().split("\n").map(line => line.split("\t"));
    assert(some.length);
    for (const line of some) {
      if (line[0] === "part") { lines.push(line); continue; }
      from++;
      const [address, length] = [line[5], line[6]].map(Number);
      lines.push({ line, bytes: length ? Buffer.from(memory.buffer, address, length).toString("hex") : "" });
    }
  }
  return { first, lines };
}

/** The same as `inspect --hex` prints it, but for what stands behind the type of a packet. */
function asInspect({ lines }) {
  let out = [], parts = [];
  const time = seconds => Number(seconds).toFixed(6).padStart(11);
  for (const entry of lines) {
    if (Array.isArray(entry)) { parts.push(entry.slice(1)); continue; }
    const [what, connection, seconds, side, at, , length, , type, trouble] = entry.line;
    if (what === "note") { out.push(connection); continue; }
    if (what === "event") { out.push(`${time(seconds)} ${connection.padStart(3)} - ${side}`); continue; }
    const place = seconds ? `${time(seconds)} ${connection.padStart(3)} ${side === "client" ? ">" : "<"} ` : "";
    const place2 = `${place}${at.padStart(6)}`;
    if (what === "packet") out.push(`${place2} ${length.padStart(6)}  ${type}`);
    else if (/^(incomplete|no packet)/.test(trouble)) out.push(`${place2} ${length.padStart(6)}  ${trouble}`);
    else out.push(`${place2}         ${trouble}`);
    let offset = 0;
    for (const [length, name, value] of parts) {
      const bytes = entry.bytes.slice(2 * offset, 2 * (offset + Number(length))).match(/../g) ?? [];
      for (let row = 0; row === 0 || row < bytes.length; row += 16) {
        const line = bytes.slice(row, row + 16).join(" ");
        const shown = `        ${String(offset + row).padStart(6)}  `;
        out.push(row ? shown + line : `${shown}${line.padEnd(47)}  ${name}: ${value}`);
      }
      offset += Number(length);
    }
    parts = [];
  }
  return out;
}

function beside(file, ...options) {
  let printed;
  const args = [...options, "--hex", "-"];
  try {
    printed = execFileSync(inspectPath, args, { input: file, stdio: ["pipe", "pipe", "pipe"], maxBuffer: 1e8 });
  } catch (error) {
    if (error.status === 2) {
      const said = read(file, options.join(" ") || undefined).first;
      return assert.equal(`inspect: -: ${said.join("\t")}\n`, error.stderr.toString());
    }
    printed = error.stdout;
  }
  const native = printed.toString().split("\n").slice(0, -1);
  const ours = asInspect(read(file, options.join(" ") || undefined));
  assert.equal(ours.length, native.length);
  ours.forEach((line, index) => {
    const whole = !/ [A-Z]{4,}$/.test(line) || line.startsWith("        ");
    assert.equal(whole ? native[index] : native[index].slice(0, line.length), line);
  });
}

let random = 1;
const below = most => (random = Math.imul(random, 1103515245) + 12345 >>> 0) % most;
function damaged(file) {
  const bytes = Buffer.from(file);
  for (let times = below(6); times >= 0; times--) bytes[below(bytes.length)] = below(256);
  return bytes.subarray(0, below(4) ? bytes.length : 1 + below(bytes.length));
}

const began = Date.now();
let files = 0;
for (const name of captures) {
  const file = readFileSync(folder + name);
  beside(file);
  beside(Buffer.from(file.toString("hex")));
  const bad = damaged(file);
  beside(bad);
  beside(bad, "--version", "5.0", "--allow", "all");
  files += 4;
}
const exchange = readFileSync(folder + "both-exchange-mosquitto.pcap");
for (let round = 0; round < 60; round++) beside(damaged(exchange));
for (let round = 0; round < 1000; round++) read(damaged(exchange));
console.log(`the module says what inspect prints of ${files + 60} files, and survives 1000 others: ${Date.now() - began} ms`);

const chromium = ["chromium", "chromium-browser", "google-chrome"].find(name => {
  try { return execFileSync("which", [name], { stdio: "pipe" }); } catch { return false; }
});
if (chromium) await page();
else console.log("NOT CHECKED: there is no Chromium here, and the page was not opened");

async function page() {
  const began = Date.now();
  const profile = mkdtempSync(join(tmpdir(), "inspector-"));
  const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--remote-debugging-pipe", `--user-data-dir=${profile}`];
  const browser = spawn(chromium, flags, { detached: true, stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
  const ended = new Promise(resolve => browser.on("exit", resolve));
  try {
    await inBrowser(browser);
  } finally {
    // Its helpers are in its group; they write to the profile until they end, after it.
    try { process.kill(-browser.pid, "SIGKILL"); } catch { /* has ended */ }
    await ended;
    await removed(profile);
  }
  console.log(`the page works in Chromium: ${Date.now() - began} ms`);
}

async function removed(folder) {
  for (let times = 0; times < 100; times++) {
    try {
      return rmSync(folder, { recursive: true, force: true });
    } catch {
      await new Promise(resolve => setTimeout(resolve, 50));
    }
  }
  console.log(`${folder} is left behind`);
}

async function inBrowser(browser) {
  let id = 0, rest = "";
  const waiting = new Map(), events = [];
  browser.stdio[4].on("data", data => {
    const messages = (rest + data).split("\0");
    rest = messages.pop();
    for (const message of messages.map(text => JSON.parse(text))) {
      waiting.get(message.id)?.(message) ?? events.push(message);
    }
  });
  const send = async (method, params = {}, sessionId) => {
    const answer = new Promise(resolve => waiting.set(++id, resolve));
    browser.stdio[3].write(JSON.stringify({ id, method, params, sessionId }) + "\0");
    const { result, error } = await answer;
    assert(!error, `${method}: ${error?.message}`);
    return result;
  };
  const { targetId } = await send("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
  const tab = (method, params) => send(method, params, sessionId);
  for (const domain of ["Page", "Runtime", "Network", "DOM", "Log"]) await tab(`${domain}.enable`);
  const evaluate = async expression => {
    const { result, exceptionDetails } = await tab("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    assert(!exceptionDetails, JSON.stringify(exceptionDetails));
    return result.value;
  };
  const until = async (expression, expected) => {
    let found;
    for (let tries = 0; tries < 100; tries++) {
      found = await evaluate(expression);
      if (found === expected) return;
      await new Promise(resolve => setTimeout(resolve, 50));
    }
    assert.equal(found, expected, expression);
  };
  const status = "document.getElementById('status')?.textContent";
  const size = (width, height) => tab("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: width < 600 });
  const picture = async name => {
    if (!process.env.PICTURES) return;
    const { writeFileSync } = await import("node:fs");
    const { data } = await tab("Page.captureScreenshot");
    writeFileSync(join(process.env.PICTURES, `${name}.png`), Buffer.from(data, "base64"));
  };
  const at = async selector => evaluate(`(() => {
    const found = document.querySelector(${JSON.stringify(selector)});
    found.scrollIntoView({ block: "center" });
    const { x, y, width, height } = found.getBoundingClientRect();
    return { x: x + width / 2, y: y + height / 2 };
  })()`);
  const click = async selector => {
    const point = await at(selector);
    for (const type of ["mousePressed", "mouseReleased"]) await tab("Input.dispatchMouseEvent", { type, ...point, button: "left", clickCount: 1 });
  };
  const lit = (selector, expected) =>
    until(`[...document.querySelectorAll(${JSON.stringify(selector)})].map(element => element.innerText).join("|")`, expected);

  // An address with hex in it: a valid packet, and one with a wildcard.
  await size(1280, 900);
  const hex = "100d00044d5154540402003c000163" + "30050003612f23" + "c000";
  await tab("Page.navigate", { url: `file://${pagePath}#version=auto&hex=${hex}` });
  await until(status, "2 packets, 1 error");
  assert.equal(await evaluate("document.querySelectorAll('details').length"), 3);
  assert.deepEqual(await evaluate("[...document.querySelectorAll('.type')].map(type => type.innerText)"), ["CONNECT", "PUBLISH", "PINGREQ"]);
  assert.match(await evaluate("document.querySelector('details.bad dl').innerText"), /byte 6: a topic name may not hold a wildcard\nStream offset\n21\nAnswer\n0x81 Malformed Packet\nStatement\nMQTT-3.3.2-2\nRule\npublish-text/);
  assert.equal(await evaluate("document.querySelector('details.bad u').innerText"), "23");

  // A field lights its bytes, and bytes their field.
  await evaluate("document.querySelector('details').open = true");
  await until("document.querySelectorAll('details.packet tr[data-part]').length", 7);
  const fields = await evaluate("[...document.querySelectorAll('details.packet tr[data-part]')].map(row => [...row.children].map(cell => cell.innerText).join(' '))");
  assert.deepEqual(fields, ["0 fixed header CONNECT", "1 remaining length 13", "2 protocol name \"MQTT\"", "8 protocol level 4", "9 connect flags clean_start will_qos=0",
    "10 keep alive 60", "12 client identifier \"c\""]);
  await tab("Input.dispatchMouseEvent", { type: "mouseMoved", ...await at("details.packet tr[data-part='2']") });
  await lit("details.packet .bytes .lit", "00 04 4d 51 54 54 |··MQTT");
  await tab("Input.dispatchMouseEvent", { type: "mouseMoved", ...await at("details.packet .bytes b[data-part='5']") });
  await lit("details.packet tr.lit", "10\tkeep alive\t60");
  await click("details.packet tr[data-part='3']");
  await tab("Input.dispatchKeyEvent", { type: "keyDown", key: "ArrowDown", code: "ArrowDown" });
  await lit("details.packet .bytes .lit", "02 |·");
  await picture("typed");

  // The rule that the error names is let go, and held to again.
  await click("details.bad dl button");
  await until(status, "3 packets");
  assert.match(await evaluate("location.hash"), /allow=publish-text/);
  await click("#allowed button");
  await until(status, "2 packets, 1 error");

  // What is typed, and what is none.
  const type = text => evaluate(`document.getElementById("hex").value = ${JSON.stringify(text)}; document.getElementById("hex").dispatchEvent(new Event("input"))`);
  await type("0x20, 0x02, 0000\n\\xd0:00");
  await until(status, "2 packets");
  await type("d000 d000");
  await until(status, "0 packets, 1 error, 3 bytes behind the last error not read");
  assert.match(await evaluate("document.querySelector('dl').innerText"), /Bytes from the middle of a stream need Version 3\.1\.1 or 5\.0/);
  await evaluate("document.getElementById('version').value = '5.0'; document.getElementById('version').onchange()");
  await until(status, "2 packets");
  await evaluate("document.getElementById('version').value = 'auto'");
  await evaluate("document.getElementById('port').value = '1884 x'; document.getElementById('port').onchange()");
  await until(status, "no port x");
  await evaluate("document.getElementById('port').value = '1884'");
  await type("d0 0");
  await until(status, "an odd number of hex digits");
  await type("d0 0g");
  await until(status, "“g” is no hex digit");
  await click("#example");
  await until(status, "3 packets, 1 error");
  assert.equal(await evaluate("document.querySelectorAll('details[open]').length"), 1);

  // A capture, as a file that is opened and as one that is dropped.
  const { root } = await tab("DOM.getDocument");
  const { nodeId } = await tab("DOM.querySelector", { nodeId: root.nodeId, selector: "#file" });
  const capture = folder + "both-exchange-mosquitto.pcap";
  await tab("DOM.setFileInputFiles", { nodeId, files: [capture] });
  await until(status, "both-exchange-mosquitto.pcap: 37 packets");
  assert.equal(await evaluate("document.querySelectorAll('details.client').length + ' ' + document.querySelectorAll('details.server').length"), "21 16");
  assert.match(await evaluate("document.querySelector('.event').innerText"), /127\.0\.0\.1:32868 > 127\.0\.0\.1:1883: opened/);
  assert.match(await evaluate("[...document.querySelectorAll('summary')].find(row => row.innerText.includes('PUBLISH')).innerText"), /plant\/1\/temperature/);
  await evaluate("[...document.querySelectorAll('details')].find(row => row.innerText.includes('celsius')).open = true");
  await picture("capture");
  await click("#example");
  await until(status, "3 packets, 1 error");
  const large = [folder + "v311-large-mosquitto_pub.client.bin"];
  for (const type of ["dragEnter", "dragOver", "drop"]) {
    await tab("Input.dispatchDragEvent", { type, x: 100, y: 400, data: { items: [], files: large, dragOperationsMask: 1 } });
  }
  await until(status, "v311-large-mosquitto_pub.client.bin: 4 packets");
  await evaluate("document.querySelectorAll('details')[1].open = true");
  await until("document.querySelector('.bytes')?.innerText.match(/\\d+ more bytes/)?.[0] ?? ''", "16397 more bytes");

  // A phone, in the dark.
  await size(390, 844);
  await tab("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: "dark" }] });
  await click("#example");
  await until(status, "3 packets, 1 error");
  await evaluate("document.querySelectorAll('details')[1].open = true; scrollTo(0, 0)");
  assert.equal(await evaluate("document.documentElement.scrollWidth"), 390);
  assert.equal(await evaluate("document.getElementById('more').checkVisibility()"), false);
  assert.equal(await evaluate("document.querySelector('.bytes div .hex, .bytes div span:nth-child(2)').innerText.trim().split(' ').length"), 8);
  await picture("phone");
  await evaluate("document.querySelectorAll('details')[1].scrollIntoView()");
  await picture("phone-below");
  await size(1280, 900);
  await evaluate("scrollTo(0, 0)");
  await click("#example");
  await picture("dark");

  const asked = events.filter(event => event.method === "Network.requestWillBeSent").map(event => event.params.request.url);
  assert(asked.every(url => url.startsWith("file://" + pagePath)), asked.join());
  const wrong = events.filter(event => event.method === "Runtime.exceptionThrown" || event.params?.entry?.level === "error");
  assert.deepEqual(wrong, []);
}
