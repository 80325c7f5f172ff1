// Who may import whom; ARCHITECTURE.md has the picture. Every rule says why it is there, so that a rule without a reason can go.
// Type-only imports are free: they vanish, and a type is how one room describes what it hands to the next.

const ENGINE = '^packages/engine/src/'
const SLUICE = '^packages/sluice/src/'

// The words that rooms share: types, and constants of them. That they stay leaves is a rule of its own below.
const WORDS = `${ENGINE}(errors|failpoint|diagnostics|table-name|reject/reject|reject/messages|parse/dialect|parse/position|schema/program)\\.ts$`

// One file a purpose opens a database: only there do a driver's types, quirks and errors show.
const DRIVERS = `${ENGINE}write/(postgres|sqlite)/`

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'Files in a cycle cannot be read, tested or replaced one at a time.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'stage-keeps-to-its-room',
      comment:
        'A stage gets what it works on as arguments. Only load.ts sees all stages, so the order of things is written in one place.',
      severity: 'error',
      from: { path: `${ENGINE}([^/]+)/`, pathNot: `${ENGINE}write/` },
      to: { path: ENGINE, pathNot: [`${ENGINE}$1/`, WORDS], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'write-keeps-to-its-room',
      comment:
        'As above; but a commit holds rows, rejects and checkpoint in one transaction, and SQLite makes it in another thread, ' +
        'to which no function can be passed. So both writers import the statements that save a batch or a replay, and the reader that takes a refused record apart and tells its bytes.',
      severity: 'error',
      from: { path: `${ENGINE}write/` },
      to: {
        path: ENGINE,
        pathNot: [
          `${ENGINE}write/`,
          WORDS,
          `${ENGINE}checkpoint/save-(batch|replay)\\.ts$`,
          `${ENGINE}parse/records\\.ts$`,
          `${ENGINE}decode/encodings\\.ts$`,
        ],
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'words-stay-leaves',
      comment:
        'Every room may import these files, so what they import would come along everywhere. One reads a module of Node that does nothing until somebody listens.',
      severity: 'error',
      from: { path: WORDS },
      to: { pathNot: [WORDS, '^diagnostics_channel$'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'pure-parse-and-schema',
      comment:
        'Parsing and planning touch no file, network, thread or database, so that a test can give them any bytes in any pieces ' +
        'and a crash can be repeated. The one exception reads kernel.wasm.',
      severity: 'error',
      from: { path: `${ENGINE}(parse|schema)/`, pathNot: `${ENGINE}parse/kernel\\.ts$` },
      to: {
        path: '^(node:)?(fs|net|tls|http|http2|https|dgram|dns|child_process|cluster|worker_threads|timers|sqlite)(/|$)|node_modules/(pg|pg-copy-streams)/',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'drivers-in-their-files',
      comment: 'A driver is swapped or upgraded in one place, and its errors are sorted there.',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/', pathNot: DRIVERS },
      to: { path: '^(node:)?sqlite$|node_modules/(pg|pg-copy-streams)/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'engine-is-a-library',
      comment: 'The engine knows no command line, server, queue or object store: who embeds it brings those.',
      severity: 'error',
      from: { path: ENGINE },
      to: {
        path: '^packages/(?!engine/)|node_modules/(commander|fastify|bullmq|ioredis|@aws-sdk|socket\\.io)/|^(node:)?https?$',
      },
    },
    {
      name: 'engine-by-its-entry',
      comment: 'Other packages use what users use; else a change inside the engine would break them.',
      severity: 'error',
      from: { path: '^packages/(?!engine/)[^/]+/(src|bin)/' },
      to: { path: ENGINE, pathNot: `${ENGINE}index\\.ts$` },
    },
    {
      name: 'page-by-http',
      comment:
        'The page runs in a browser and knows the server by its HTTP API, as any other client; and nobody runs the page.',
      severity: 'error',
      from: { path: '^packages/web/src/' },
      to: { path: '^packages/(?!web/src/)|^node:' },
    },
    {
      name: 'nobody-needs-the-page',
      comment: 'It is built and given out as files.',
      severity: 'error',
      from: { path: '^packages/(?!web/)[^/]+/(src|bin)/' },
      to: { path: '^packages/web/' },
    },
    {
      name: 'compose-chooses',
      comment:
        'Only compose.ts names a concrete queue, store or storage, by import(), so that what is not configured is not loaded.',
      severity: 'error',
      from: { path: SLUICE, pathNot: `${SLUICE}(compose\\.ts$|queue/|storage/|jobs/)` },
      to: { path: `${SLUICE}(queue|storage|jobs/store)/`, dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'acceptance-by-the-surface',
      comment: 'What is accepted is what users get: the command, HTTP, and what @sluice/engine exports.',
      severity: 'error',
      from: { path: '^accept/' },
      to: { path: '^packages/[^/]+/(src|bin)/', pathNot: `${ENGINE}index\\.ts$` },
    },
    {
      name: 'no-barrels',
      comment: 'An index.ts inside a package hides who uses what, and loads everything to get one thing.',
      severity: 'error',
      from: {},
      to: { path: '^packages/[^/]+/src/.+/index\\.ts$' },
    },
    {
      name: 'no-lumber-rooms',
      comment: 'A folder called utils has no reason to refuse anything. Name the purpose.',
      severity: 'error',
      from: {},
      to: { path: '/(utils?|helpers?|common|shared|misc|types)(/|\\.ts$)', pathNot: 'node_modules' },
    },
    {
      name: 'no-tests-in-src',
      comment: 'What ships must not depend on what does not.',
      severity: 'error',
      from: { path: '^packages/[^/]+/(src|bin)/' },
      to: { path: '^(packages/[^/]+/test|bench|scripts|accept)/' },
    },
    {
      name: 'no-dev-dependencies-in-src',
      comment:
        'A development dependency is missing where the package is installed. What the page needs is built into it.',
      severity: 'error',
      from: { path: '^packages/(?!web/)[^/]+/(src|bin)/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'resolvable',
      comment: 'An import that leads nowhere.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // AssemblyScript: its imports are the compiler's business.
    exclude: { path: '^packages/engine/kernel/(?!build\\.ts$)|/dist/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    combinedDependencies: false,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'node', 'default'] },
    builtInModules: { add: ['node:sqlite', 'node:test'] },
  },
}
