"""The one vocabulary of the project: the FineTuneJob resource and what its parts hand to each other.

Imports nothing of ours, no Kubernetes client and no training library, so that everything may import it.
"""

GROUP = "finetune.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "FineTuneJob"
PLURAL = "finetunejobs"
SINGULAR = "finetunejob"
SHORT_NAME = "ftj"
CATEGORIES = ("finetune", "ml")
