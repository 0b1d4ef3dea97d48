// Reads a JSON array of user agents from stdin, writes {name: [is a robot, ...]} of the detectors on npm.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const load = createRequire(import.meta.url);
const { isbot } = load("isbot");
const DeviceDetector = load("node-device-detector");
const detector = new DeviceDetector();

const userAgents = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(
  JSON.stringify({
    isbot: userAgents.map((userAgent) => isbot(userAgent)),
    "device-detector": userAgents.map((userAgent) => Boolean(detector.parseBot(userAgent)?.name)),
  }),
);
