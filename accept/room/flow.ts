/** How far the server lets a client run ahead of a database that stands still. */
import { randomUUID } from 'node:crypto'
import { statSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from './room.ts'
import type { Service } from './service.ts'

export interface Flow {
  /** Bytes that the server's socket took while the table was locked, and how many of them in the last second. */
  ahead: number
  late: number
  fileBytes: number
  /** The upload's answer, when the table was free again. */
  code: number
  inserted: number
}

/** What is on its way when nothing moves: two batches, and what sockets hold. */
export const MOST_AHEAD = 16 * 2 ** 20

/** Uploads a file while its table is locked, and lets it go after three seconds. */
export async function flowAgainstLock(
  service: Service,
  database: Database,
  file: string,
  table: string,
): Promise<Flow> {
  const { upload, ahead, late } = await database.locked(table, async () => {
    const upload = service.send(file, `/upload?mode=direct&force=true&uploadId=${randomUUID()}`)
    await delay(2_000)
    const before = upload.sent()
    await delay(1_000)
    return { upload, ahead: upload.sent(), late: upload.sent() - before }
  })
  const { code, json } = await upload.answer
  return { ahead, late, fileBytes: statSync(file).size, code, inserted: json.receipt?.inserted ?? json.inserted ?? 0 }
}
