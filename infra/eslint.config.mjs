// The resolvers run on AppSync's own JavaScript (APPSYNC_JS), which lacks much of the
// language: what it would refuse on deploy is refused here.
import appsync from '@aws-appsync/eslint-plugin';

export default [
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['resolvers/*.js'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
  },
  { ...appsync.configs.recommended, files: ['resolvers/*.js'] },
];
