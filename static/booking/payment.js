/**
 * Where a payment service plugs into the pages, and nowhere else: `pay` shows whatever the service needs and resolves
 * with its proof of payment, which goes to the server with `seats:confirm`. This one is the demo service.
 */

/**
 * @param {{http: (path: string, init?: RequestInit) => Promise<any>}} connection
 * @param {string} hold
 * @returns {Promise<string>} the proof
 */
export async function pay(connection, hold) {
  const body = JSON.stringify({ hold });
  const answer = await connection.http("/demo/pay", { method: "POST", headers: { "Content-Type": "application/json" }, body });
  return answer.payment;
}
