import tseslint from 'typescript-eslint';
import importX from 'eslint-plugin-import-x';

/**
 * The rule that keeps workflows deterministic and readable: workflow code sees Temporal's workflow API,
 * the pure domain and types, nothing else. Type-only imports are erased, so they may come from anywhere.
 */
const workflowImports = {
  'import-x/no-cycle': 'error',
  '@typescript-eslint/no-restricted-imports': [
    'error',
    {
      patterns: [
        {
          regex: '^(?!@temporalio/(workflow|common)$|\\.{1,2}/)',
          allowTypeImports: true,
          message:
            'Workflows import only @temporalio/workflow, @temporalio/common, src/domain and types.',
        },
        {
          regex: '/(activities|client|codec|config)/',
          allowTypeImports: true,
          message: 'Workflows import only the types of activities, never their code.',
        },
        {
          regex: 'domain/site/schema',
          allowTypeImports: true,
          message: 'The schema library stays out of the workflow bundle.',
        },
      ],
    },
  ],
  'no-restricted-globals': ['error', 'process', 'setInterval', 'fetch'],
  'no-restricted-syntax': [
    'error',
    {
      selector:
        "Property[key.name='validator'] > :matches(ArrowFunctionExpression, FunctionExpression)[async=true]",
      message: 'A validator must be synchronous: an async one never rejects, it hangs the client.',
    },
  ],
};

export default tseslint.config(
  { ignores: ['node_modules/', 'dist/', 'coverage/', 'test/replay/histories/'] },
  ...tseslint.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.recommendedTypeCheckedOnly],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    plugins: { 'import-x': importX },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      '@typescript-eslint/require-await': 'off',
      'no-console': 'error',
    },
  },
  { files: ['src/workflows/**/*.ts'], rules: workflowImports },
  {
    files: ['src/client/**', 'deploy/sandbox/**', 'test/**', 'bench/**'],
    rules: { 'no-console': 'off' },
  },
);
