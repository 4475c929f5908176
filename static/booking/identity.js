/**
 * Sees to it that this browser has an identity before a tab uses one: two tabs that come first at the same time would
 * become two people, and one of them could not find its seats again after a reload.
 */
import { recall, remember } from "../app/page.js";

const TOKEN = "tickingtickets.token";
const PATIENCE_MS = 4000;

/** Resolves at once but for the first visit; when it fails, the connection gets an identity by itself. */
export async function haveIdentity() {
  if (recall(TOKEN) || !navigator.locks) return;
  await navigator.locks.request("identity", async () => {
    if (recall(TOKEN)) return;
    try {
      const answer = await fetch("/api/v1/session", { method: "POST", signal: AbortSignal.timeout(PATIENCE_MS) });
      const { token } = await answer.json();
      if (token) remember(TOKEN, token);
    } catch {
      // Then there is one as soon as there is a connection.
    }
  });
}
