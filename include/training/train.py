"""Entry point of the training job, as SageMaker's script mode starts it.

Everything it needs lies beside it (`job.json`, the package `trainer`) or comes as hyperparameters.
"""

import sys

from trainer.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
