/**
 * The environment without what a test run puts into it: its loaders come in NODE_OPTIONS, and it sets them again for
 * each child that it starts. Whoever starts a program as a user does starts it through `env` with these arguments.
 */
export const cleanEnv: readonly string[] = [
  'NODE_OPTIONS', 'NODE_V8_COVERAGE', 'NO_COLOR', 'FORCE_COLOR', 'npm_config_prefix', 'npm_lifecycle_event'
]
  .flatMap((name) => ['-u', name])
