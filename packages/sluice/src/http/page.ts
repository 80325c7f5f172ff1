import { globSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { Problem } from './problem.ts'
import type { App } from './routes.ts'

/** Where `packages/web/build.ts` puts the page; it is as far from the compiled file as from the source. */
const FOLDER = join(import.meta.dirname, '../../page')
/**
 * Only what this server gives out may be loaded, and run; nothing that is written into the page is, and no page may hold it in a frame.
 * No script can make HTML of a text: React sets texts and attributes only.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ')
const TYPES: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.md': 'text/plain; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
}

/** The page at `/`, and what it loads: some ten files, held in memory from their first use on. Everyone may have them, the API not. */
export function pageRoutes(app: App): void {
  const open = { config: { open: true, rateLimit: false }, schema: { hide: true } } as const
  app.get('/', open, async (_request, reply) => {
    const { raw } = await fileOf('index.html')
    return reply.type('text/html; charset=utf-8').header('content-security-policy', POLICY).send(raw)
  })
  for (const name of globSync('assets/*', { cwd: FOLDER })) {
    const path = name.replaceAll('\\', '/')
    app.get(`/${path}`, open, async (request, reply) => {
      const { raw, packed } = await fileOf(path)
      // The name changes with the content.
      reply.headers({ 'cache-control': 'public, max-age=31536000, immutable', vary: 'accept-encoding' })
      reply.type(TYPES[extname(path)] ?? 'application/octet-stream')
      if (packed.length >= raw.length || !/\bgzip\b/.test(`${request.headers['accept-encoding']}`))
        return reply.send(raw)
      return reply.header('content-encoding', 'gzip').send(packed)
    })
  }
}

interface PageFile {
  raw: Buffer
  packed: Buffer
}

const files = new Map<string, Promise<PageFile>>()

function fileOf(name: string): Promise<PageFile> {
  const known = files.get(name)
  if (known !== undefined) return known
  const read = readPage(name)
  files.set(name, read)
  return read
}

/** @throws Problem 404 where the page was not built */
async function readPage(name: string): Promise<PageFile> {
  try {
    // biome-ignore lint/plugin: a file of the page, at most some 300 KB
    const raw = await readFile(join(FOLDER, name))
    return { raw, packed: await promisify(gzip)(raw) }
  } catch (cause) {
    files.delete(name)
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
    throw new Problem(404, 'The page is not built: run `npm run prepare` in the checkout. /docs has the HTTP API', {
      cause,
    })
  }
}
