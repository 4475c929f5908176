/**
 * What a gate keeps on its device: one lease, its tickets, and whom it has admitted. In IndexedDB, whose transactions
 * hold for all tabs: a ticket is admitted once on this device.
 */
const NAME = "tickingtickets-gate";
const STORES = ["state", "tickets", "admitted"];

/** @typedef {{state: IDBObjectStore, tickets: IDBObjectStore, admitted: IDBObjectStore}} Stores */

/** @returns {Promise<IDBDatabase>} rejects where the browser keeps nothing */
export function openStorage() {
  const request = indexedDB.open(NAME, 1);
  request.onupgradeneeded = () => {
    for (const store of STORES) request.result.createObjectStore(store);
  };
  return answered(request);
}

/**
 * Do something in one transaction; resolves when it is on the disk. `act` awaits requests of these stores only.
 * @template T
 * @param {IDBDatabase} db
 * @param {(stores: Stores) => Promise<T>} act
 * @returns {Promise<T>}
 */
export async function transact(db, act) {
  const transaction = db.transaction(STORES, "readwrite", { durability: "strict" });
  const ended = new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error);
  });
  const [state, tickets, admitted] = STORES.map((store) => transaction.objectStore(store));
  try {
    const result = await act({ state, tickets, admitted });
    await ended;
    return result;
  } catch (error) {
    ended.catch(() => null);
    throw error;
  }
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
export function answered(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** All entries of a store. @param {IDBObjectStore} store @returns {Promise<[string, any][]>} */
export async function entries(store) {
  const [keys, values] = await Promise.all([answered(store.getAllKeys()), answered(store.getAll())]);
  return keys.map((key, n) => [String(key), values[n]]);
}
