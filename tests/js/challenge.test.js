import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { solve } from "../../static/seat-map/challenge.js";

const salt = "0123456789ab?expires=1800000000&for=west-s+asha&";

/** @param {number} number @param {Partial<import("../../static/seat-map/challenge.js").Challenge>} [other] */
function made(number, other) {
  const challenge = createHash("sha256").update(`${salt}${number}`).digest("hex");
  return { algorithm: "SHA-256", challenge, salt, signature: "signed", maxnumber: 2000, ...other };
}

for (const number of [0, 511, 512, 1733, 2000]) {
  test(`a challenge is solved by its number, ${number}`, async () => {
    const solution = JSON.parse(atob(await solve(made(number))));
    const { maxnumber, ...asked } = made(number);
    assert.deepEqual(solution, { ...asked, number });
    assert.equal(maxnumber, 2000);
  });
}

for (const [why, challenge] of /** @type {const} */ ([
  ["has no solution", made(2001)],
  ["is of another kind", made(5, { algorithm: "SCRYPT" })],
])) {
  test(`a challenge that ${why} has no answer`, async () => {
    assert.equal(await solve(challenge), null);
  });
}
