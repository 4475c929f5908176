// A worker in Node.js as docs/operations.md describes it: takes jobs of a queue and prints each payload as a line.
// Arguments: port of the master, queue, and (to add a job instead of taking jobs) the job's id and payload.
import { Queue, Worker } from "bullmq";

const [port, queue, job, payload] = process.argv.slice(2);
const options = { connection: { host: "127.0.0.1", port: Number(port) }, prefix: "tt-jobs" };
if (job) {
  const jobs = new Queue(queue, options);
  await jobs.add(queue, JSON.parse(payload), { jobId: job, attempts: 3 });
  await jobs.close();
} else {
  new Worker(queue, async (taken) => console.log(JSON.stringify({ id: taken.id, data: taken.data })), options);
}
