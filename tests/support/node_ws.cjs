// A WebSocket of the npm package `ws`, led by lines on stdin: one JSON object each, answered with one on stdout.
"use strict";
const WebSocket = require("ws");
const lines = require("readline").createInterface({ input: process.stdin });

let socket;
const messages = [];
let waiting = null; // who waits for the next message, or for the end
let pong = null;
let ended = null;

function hand() {
  if (waiting === null || (messages.length === 0 && ended === null)) return;
  const tell = waiting;
  waiting = null;
  tell(messages.length > 0 ? messages.shift() : { ended });
}

const orders = {
  open: ({ url, subprotocol }) => new Promise((done, fail) => {
    socket = new WebSocket(url, subprotocol, { perMessageDeflate: true });
    socket.on("message", (data, binary) => {
      messages.push({ data: data.toString("base64"), binary });
      hand();
    });
    socket.on("pong", () => pong !== null && pong({}));
    socket.on("close", (code) => {
      ended = code;
      hand();
    });
    socket.on("open", () => done({ compresses: socket.extensions !== "" }));
    socket.on("error", fail);
  }),
  send: ({ pieces, binary }) => {
    pieces.forEach((piece, place) => {
      socket.send(Buffer.from(piece, "base64"), { binary, fin: place === pieces.length - 1 });
    });
    return {};
  },
  receive: () => new Promise((done) => {
    waiting = done;
    hand();
  }),
  ping: () => new Promise((done) => {
    pong = done;
    socket.ping("?");
  }),
  close: ({ code }) => new Promise((done) => {
    socket.on("close", (theirs) => done({ code: theirs }));
    socket.close(code);
  }),
};

lines.on("line", async (line) => {
  const { order, ...rest } = JSON.parse(line);
  try {
    console.log(JSON.stringify(await orders[order](rest)));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
});
lines.on("close", () => process.exit(0));
