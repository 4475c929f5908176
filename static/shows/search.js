/**
 * Finds shows by the words that a person types, in Latin or Devanagari script, with one mistake in a longer word. Pure.
 */

/** Words from this length on may contain one mistake. */
const FORGIVEN = 4;

/** How the consonants of Devanagari sound; vowels are left out, as in `sound`. @type {Record<string, string>} */
const SOUNDS = {};
for (const pair of "कk खk गg घg ङn चch छch जj झj ञn टt ठt डd ढd णn तt थt दd धd नn पp फf बb भb मm यy रr लl ळl वv शs षs सs हh ंn ँn".split(
  " ",
)) {
  SOUNDS[pair[0]] = pair.slice(1);
}

/** Hindi writes a nasal before a consonant of its class as a letter or as a dot: मुम्बई, मुंबई. */
const NASAL = /म्(?=[प-भ])|न्(?=[त-ध])|ण्(?=[ट-ढ])|ङ्(?=[क-घ])|ञ्(?=[च-झ])|ँ/g;

/**
 * @param {string} text
 * @returns {string[]} its words: letters and digits, lower case, without accents of Latin letters, and with one spelling
 *   where Hindi has two
 */
export function wordsOf(text) {
  return text
    .normalize("NFKD")
    .replace(/[\u0300-\u036f\u093c]/g, "")
    .normalize("NFC")
    .replace(NASAL, "ं")
    .toLowerCase()
    .split(/[^\p{L}\p{M}\p{N}]+/u)
    .filter(Boolean);
}

/**
 * Whether every word of a search is found in a text, at the start of one of its words.
 * @param {string[]} asked `wordsOf` the search
 * @param {string[]} words `wordsOf` the text
 * @param {boolean} [exact] in the same script and without a mistake
 */
export function found(asked, words, exact = false) {
  return asked.every((ask) => words.some((word) => (exact ? word.startsWith(ask) : fits(ask, word))));
}

/** @param {string} ask @param {string} word */
function fits(ask, word) {
  if (word.startsWith(ask)) return true;
  if (isDevanagari(ask) !== isDevanagari(word)) return soundsLike(ask, word);
  if (ask.length < FORGIVEN) return false;
  // One mistake at the start of a longer word, too: the person may still be typing.
  return [ask.length - 1, ask.length, ask.length + 1].some((length) => oneMistake(ask, word.slice(0, length)));
}

/** Whether one can be made from the other by adding, removing or changing a letter, or exchanging two neighbours. @param {string} a @param {string} b */
export function oneMistake(a, b) {
  if (a === b) return true;
  if (Math.abs(a.length - b.length) > 1) return false;
  let start = 0;
  while (start < a.length && a[start] === b[start]) start++;
  const [restA, restB] = [a.slice(start), b.slice(start)];
  return (
    restA.slice(1) === restB ||
    restB.slice(1) === restA ||
    restA.slice(1) === restB.slice(1) ||
    (restA.length > 1 && restA[0] === restB[1] && restA[1] === restB[0] && restA.slice(2) === restB.slice(2))
  );
}

/** @param {string} text */
function isDevanagari(text) {
  return /\p{Script=Devanagari}/u.test(text);
}

/** @param {string} ask @param {string} word in the other script */
function soundsLike(ask, word) {
  const [a, b] = [sound(ask), sound(word)];
  return a.length > 1 && (b.startsWith(a) || (a.length >= FORGIVEN && oneMistake(a, b)));
}

/** The consonants of a word, so that both scripts can be compared: दिल्ली and Delhi are both "dl". @param {string} word */
export function sound(word) {
  const latin = isDevanagari(word)
    ? [...word.normalize("NFC")].map((letter) => SOUNDS[letter] ?? "").join("")
    : word
        .replace(/ph/g, "f")
        .replace(/ck|q|c(?!h)/g, "k")
        .replace(/sh/g, "s")
        .replace(/z/g, "s")
        .replace(/w/g, "v")
        .replace(/x/g, "ks")
        .replace(/(?<=[bcdgjklprt])h/g, (h, at, all) => (all[at - 1] === "c" ? h : ""))
        .replace(/[aeiou]/g, "");
  return latin
    .replace(/y/g, "")
    .replace(/m(?=[bp])/g, "n")
    .replace(/(.)\1+/g, "$1");
}
