import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import en from "../../static/i18n/en.js";
import hi from "../../static/i18n/hi.js";
import { isLoaded, languages, loadLanguage, supported, translator } from "../../static/i18n/i18n.js";

/** The names of the values that a phrase takes. */
function values(phrase) {
  const texts = typeof phrase === "string" ? [phrase] : Object.values(phrase);
  return new Set(texts.flatMap((text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)));
}

describe("languages", () => {
  test("Hindi has every phrase of English, with the same values", () => {
    assert.deepEqual(Object.keys(hi).sort(), Object.keys(en).sort());
    for (const key of Object.keys(en)) {
      assert.deepEqual([...values(hi[key])].sort(), [...values(en[key])].sort(), key);
      assert.equal(typeof hi[key], typeof en[key], key);
    }
  });

  test("Hindi is written in Devanagari", () => {
    const latin = new Set(["brand", "opsSeatsHint", "when", "seatLine"]);
    for (const [key, phrase] of Object.entries(hi)) {
      const text = typeof phrase === "string" ? phrase : phrase.other;
      if (!latin.has(key)) assert.match(text, /\p{Script=Devanagari}/u, key);
    }
  });

  test("the language of a device is taken where it exists, else English", () => {
    assert.deepEqual(
      languages.map(({ code }) => code),
      ["en", "hi"],
    );
    assert.equal(supported("hi-IN"), "hi");
    assert.equal(supported("ta-IN"), "en");
    assert.equal(supported(null), "en");
    assert.deepEqual(
      languages.map(({ name }) => name),
      [en.language, hi.language],
    );
  });
});

describe("a translator", () => {
  before(async () => {
    assert.equal(translator("hi").t("hold", { n: 3 }), "Hold 3 seats");
    assert.equal(isLoaded("hi"), false);
    assert.equal(await loadLanguage("hi"), true);
    assert.equal(isLoaded("hi"), true);
  });

  test("fills in values and numbers, and chooses between one and many", () => {
    const { t } = translator("en");
    assert.equal(t("hold", { n: 1 }), "Hold 1 seat");
    assert.equal(t("hold", { n: 3 }), "Hold 3 seats");
    assert.equal(t("freeCount", { n: 123456 }), "1,23,456 free");
    assert.equal(t("pay", { total: "₹340" }), "Pay ₹340");
    assert.equal(translator("hi").t("hold", { n: 3 }), "3 सीटें होल्ड करें");
  });

  test("an unknown phrase is its own name, and `has` knows", () => {
    const { t, has } = translator("hi");
    assert.equal(t("no_such_phrase"), "no_such_phrase");
    assert.equal(has("no_such_phrase"), false);
    assert.equal(has("err_seats_taken"), true);
  });

  test("money is in rupees with Indian grouping, and without paise", () => {
    assert.equal(translator("en").rupees(1234567), "₹12,34,567");
  });

  test("a time that can't be read is a dash, and no error", () => {
    const { clock, day, dayKey, moment, shortDay, time } = translator("en");
    for (const write of [clock, day, dayKey, shortDay, time]) assert.equal(write("next Friday"), "–");
    assert.match(moment("next Friday"), /–/);
  });

  test("times are India's, wherever the device is", () => {
    const { time, dayKey } = translator("en");
    assert.equal(time("2026-01-31T18:45:00Z").toLowerCase().replace(/\s/g, " "), "12:15 am");
    assert.equal(dayKey("2026-01-31T18:45:00Z"), "2026-02-01");
  });
});
