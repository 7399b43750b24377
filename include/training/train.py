"""Entry point of the training job, as SageMaker's script mode starts it.

Everything it needs lies beside it (`job.json`, the package `trainer`) or comes as hyperparameters.
"""

import sys

from trainer.main import end_when_stopped, main

if __name__ == "__main__":
    end_when_stopped()
    sys.exit(main(sys.argv[1:]))
