/**
 * Gets an identity for this browser before a tab uses one. Two tabs that open at the same time on the first visit would
 * get two identities, and one of them could not find its seats again after a reload.
 */
import { recall, remember } from "../app/page.js";

const TOKEN = "tickingtickets.token";
const TIMEOUT_MS = 4000;

/** Resolves at once except on the first visit; if it fails, the connection gets an identity by itself. */
export async function haveIdentity() {
  if (recall(TOKEN) || !navigator.locks) return;
  await navigator.locks.request("identity", async () => {
    if (recall(TOKEN)) return;
    try {
      const answer = await fetch("/api/v1/session", { method: "POST", signal: AbortSignal.timeout(TIMEOUT_MS) });
      const { token } = await answer.json();
      if (token) remember(TOKEN, token);
    } catch {
      // The connection gets one as soon as it is there.
    }
  });
}
