"""What can go wrong, said in words that tell what to do about it."""


class RecoError(Exception):
    """Base of every error that reco_plugin raises on purpose."""


class NotEnoughData(RecoError):
    """There is too little to learn from; the message counts what there is and what is needed."""


class TrainingFailed(RecoError):
    """The training process died, ran out of time or memory, or learnt something unusable."""


class AlreadyRunning(RecoError):
    """Another process trains the same kind of run for the same site."""


class LeaseLost(RecoError):
    """This process was silent for so long that another one has taken its job over."""


class JobTimedOut(RecoError):
    """A job ran past its limit (RECO_TIME_LIMITS) and was ended between two steps."""


class NotPublished(RecoError):
    """A run that the store does not hold cannot be made live."""


class ShardFailed(RecoError):
    """A share of split work failed again and again; the message tells of its last error."""


class ArtefactCorrupt(RecoError):
    """A stored artefact does not match its checksum or its format version."""


class StoreError(RecoError):
    """A vector store cannot do what was asked, e.g. for lack of an extension or a permission."""


class MappingError(RecoError):
    """The shop's catalogue or order mapping names a field that is not there."""


class NotApplied(RecoError):
    """A suggestion cannot be written into the shop's product; the message says why."""


class EncoderUnavailable(RecoError):
    """No encoder can be had: an extra is not installed, or weights are missing, corrupt or of another network."""


class EncoderBusy(RecoError):
    """The encoder has as much to do as it may have; ask again later."""
