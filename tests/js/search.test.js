import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { levelOf } from "../../static/shows/availability.js";
import { found, oneMistake, wordsOf } from "../../static/shows/search.js";

const SHOW = wordsOf("Ragas at Dusk: An Evening of Sitar and Sarod, Sahyadri Rangmandir, Pune, Concerts and theatre");

describe("the search for shows", () => {
  for (const asked of ["raga", "SITAR", "dusk pune", "sitaar", "sitra", "rangmandr", "सितार", "पुणे", "concert pune"]) {
    test(`finds ${asked}`, () => assert.ok(found(wordsOf(asked), SHOW)));
  }
  for (const asked of ["tabla", "dusk mumbai", "xy", "मुंबई", "rngmndr"]) {
    test(`does not find ${asked}`, () => assert.ok(!found(wordsOf(asked), SHOW)));
  }

  for (const [hindi, latin] of [
    ["दिल्ली", "Delhi"],
    ["मुंबई", "Mumbai"],
    ["बेंगलुरु", "Bengaluru"],
    ["चेन्नई", "Chennai"],
    ["जयपुर", "Jaipur"],
    ["हैदराबाद", "Hyderabad"],
    ["चंडीगढ़", "Chandigarh"],
    ["अहमदाबाद", "Ahmedabad"],
    ["पुणे", "Pune"],
  ]) {
    test(`finds ${latin} by ${hindi}, and the other way round`, () => {
      assert.ok(found(wordsOf(hindi), wordsOf(latin)));
      assert.ok(found(wordsOf(latin), wordsOf(hindi)));
    });
  }

  test("counts one added, missing, changed or exchanged letter as one mistake", () => {
    for (const typed of ["monsoonn", "monson", "monsoom", "mosnoon"]) assert.ok(oneMistake(typed, "monsoon"), typed);
    for (const typed of ["mansun", "season"]) assert.ok(!oneMistake(typed, "monsoon"), typed);
  });
});

test("a show has many, few or no free seats, or it is not known", () => {
  const level = (free, seat_count = 1000) => levelOf({ free, seat_count });
  assert.deepEqual([level(undefined), level(0), level(1), level(100), level(101)], ["", "none", "few", "few", "many"]);
  assert.equal(level(12, 20), "few");
});
