/* datasetgan.h: annotation sets, the style interpreter (an ensemble of per-pixel classifiers), labelling, dataset runs.
 *
 * Zhang et al., DatasetGAN, CVPR 2021 (arXiv 2104.06490).  Hypercolumns are never built: training gathers the features of
 * a pixel with four bilinear taps a map; labelling runs the first layer on each map at its own size and upsamples after. */
#ifndef DG_DATASETGAN_H
#define DG_DATASETGAN_H

#include "nn/image.h"
#include "nn/json.h"
#include "nn/metrics.h"
#include "nn/npy.h"
#include "stylegan/stylegan.h"

/* ---- annotation set: task.json and what it names (docs/FILES.md) -------------------------------------------------- */

enum { DG_NAME = 128, DG_PATH = 1024 };
typedef struct { char name[DG_NAME]; uint8_t rgb[3]; } dg_class;
typedef enum { DG_SPACE_Z, DG_SPACE_W, DG_SPACE_WPLUS } dg_space;
typedef struct { char path[DG_PATH], array[DG_NAME]; nn_npy numbers; } dg_latents;              /* .npy, or an array of an .npz; "": its only one */
typedef struct {
    char image[DG_PATH], label[DG_PATH], split[32];                                            /* paths resolved */
    uint32_t seed;                   /* or, by latent, the row; random noise is drawn from it either way */
    int latents;                     /* index of the task's latents; -1: by seed */
    dg_space space;
} dg_item;
typedef struct {
    char path[DG_PATH], name[DG_NAME];
    char generator[DG_PATH], generator_sha256[65];
    sg_options draw;                 /* psi, cutoff, noise of the set */
    int class_count;
    dg_class class_at[NN_VOID];
    nn_dim item_count;
    dg_item *item;
    int latents_count;
    dg_latents *latents;
    json_t *json;                    /* the whole file: unknown keys are kept */
} dg_task;
/* Read and check: classes numbered 0..n-1, unique names, item paths inside the folder, unique seeds and latents.  The list of items may be
 * empty.  NN_EFORMAT, NN_EIO. */
nn_status dg_task_read(dg_task *t, const char *path, nn_err *err);
void dg_task_free(dg_task *t);
/* A view's class names and map (map[i] = view id of task class i).  NN_EINVAL when the task has no such view. */
typedef struct { int class_count; dg_class class_at[NN_VOID]; uint8_t map[NN_VOID]; } dg_map;
nn_status dg_task_view(const dg_task *t, const char *name, dg_map *out, nn_err *err);
/* Label map of an item: size must equal the generator's picture, every id < class_count or 255. */
nn_status dg_item_label(const dg_task *t, const dg_item *it, nn_dim width, nn_dim height, nn_image *out, nn_err *err);
/* "seed 12", or "latent 3 of z.npy": what messages call an item.  Returns text. */
enum { DG_ITEM_NAME = 96 };
const char *dg_item_name(const dg_task *t, const dg_item *it, char text[DG_ITEM_NAME]);
/* Draw n items at once as the task says.  NN_EMISMATCH when a latent has other sizes than the generator's. */
nn_status dg_items_draw(const dg_task *t, const dg_item *const *item, nn_dim n, const sg_model *m, sg_work *wk, nn_err *err);
/* Generator and set belong together: the identity agrees where task.json names one; a picture drawn for an item
 * (planar, as sg_picture) is within 1 level of the stored PNG everywhere.  NN_EMISMATCH naming the worst difference. */
nn_status dg_task_check_generator(const dg_task *t, const sg_model *m, nn_err *err);
nn_status dg_item_check_picture(const dg_task *t, const dg_item *it, const sg_model *m, const real *picture, nn_err *err);

/* Add the items of another set, whose latents move here: t then names all files of both.  The classes, by name and in order, how pictures
 * are drawn, and generators where both are named must be the same, no seed in both.  NN_EMISMATCH; `more` is still to be freed. */
nn_status dg_task_append(dg_task *t, dg_task *more, nn_err *err);

/* Labels that other tools wrote, for the pictures of a task, as an annotation set below `out` (docs/FILES.md).  Labels and
 * pictures are matched by the names of their files.  Every problem is given to `problem` (may be NULL) as one line, then
 * NN_EFORMAT (NN_EMISMATCH when a picture is not what the generator draws); nothing is written.  `out` as in dg_export.
 *
 * pictures and latents: instead of the task's, the pictures of a folder (PNG, JPEG) that were made elsewhere, in the order of their names,
 * numbers in them as numbers, one for each row of an .npy or .npz.  m: every picture is drawn again and compared, one whose PSNR is below min_psnr is a
 * problem, and the set holds our own drawings, so that it matches to the level. */
/* picture: path; item: "latent 3", "seed 12", "the mean picture"; equal pictures have a PSNR of 100. */
typedef void (*dg_measured)(void *user, const char *picture, const char *item, double psnr);
#define DG_IMPORT_SOURCES "labelme|png|coco|cvat|voc"
typedef struct {
    const char *from, *in, *task, *out;          /* from: one of DG_IMPORT_SOURCES */
    const char *classes, *merge, *colours;       /* files, or NULL: other class names; classes to join; png: the colours' names */
    const char *add;                 /* NULL, or another set's task.json: its pictures and labels come into the new set */
    const char *pictures, *latents, *array;      /* NULL, or folder, file, array of an .npz (NULL: its only one) */
    dg_space space;                  /* of the latents */
    const sg_model *m;               /* NULL: pictures are taken as they are; needed for latents */
    const char *generator;           /* path to name in task.json; NULL: the task's */
    double min_psnr;                 /* dB */
    bool replace;
    dg_measured measured;            /* told every comparison; NULL: nobody listens */
    void (*problem)(void *user, const char *line);
    void *user;
} dg_import_options;
typedef struct { uint64_t labelled, kept, left_out, problems; bool unlike, already; } dg_import_result;   /* kept: the task's own labels; unlike: a problem is one of pictures */
nn_status dg_import_set(const dg_import_options *o, dg_import_result *r, nn_err *err);

/* Annotated pictures as DatasetGAN's code keeps them, as an annotation set: image_mask{i}.npy and image_{i}.jpg (or .png) of `in`,
 * latent_stylegan1.npy and avg_latent_stylegan1.npy of `latents`.  Each picture is drawn for latent i and for latent i - 1 (picture 0: the
 * mean picture); the better pairing of all is kept, each picture's PSNR reported, and one below min_psnr is a problem.  The set holds
 * our own drawings, so that it matches to the level.  Problems, `out` and errors as dg_import_set; NN_EMISMATCH when there are any. */
typedef struct {
    const char *in, *task, *out;
    const char *generator;           /* path to name in task.json; NULL: the task's */
    const char *latents, *average;   /* folder of the latents, NULL: in; file of the mean w, NULL: in that folder, where it is there */
    double min_psnr;                 /* dB */
    bool replace;
    dg_measured measured;            /* NULL: nobody listens */
    void (*problem)(void *user, const char *line);
    void *user;
} dg_official_options;
typedef struct { uint64_t pictures; int shift; bool own_average, already; } dg_official_result;
nn_status dg_import_official(const sg_model *m, const dg_official_options *o, dg_official_result *r, nn_err *err);

/* ---- the interpreter ---------------------------------------------------------------------------------------------- */

/* members x [ D -> h1 -> ReLU -> BN -> h2 -> ReLU -> BN -> K ]; D = channels of the taps in order. */
typedef struct {
    int members, classes;
    nn_dim D, h1, h2;
    int tap_count;
    char tap[SG_TAPS_MAX][24];
    nn_dim tap_channels[SG_TAPS_MAX];
    dg_class class_at[NN_VOID];
    char generator[65];              /* identity of the generator it was trained on */
    char identity[65];               /* of this interpreter */
    char task_name[DG_NAME];
    sg_options draw;                 /* as the annotated pictures were drawn */
    bool nearest;                    /* maps smaller than the picture are enlarged without interpolation: released code before June 2021 */
    bool vote_mean;                  /* the caller's choice, not in the file: a label is the class of the highest mean probability, not of most votes */
    nn_precision precision;          /* the caller's choice, not in the file: of labelling's products; NN_BF16 changes some labels (dg_precision_effect) */
    bool z_stream;                   /* a dataset takes all z from one stream, as the released code (dg_vary_options.one_stream) */
    bool of_logits;                  /* uncertainty as released before September 2021 (label.h: dg_divergence_of_logits) */
    nn_dim seed_count;               /* annotated seeds: a dataset skips them */
    uint32_t *seed;
    const real *mean, *std;          /* (D) standardisation of features; 0 and 1 when off */
    const real *w1, *b1, *g1, *e1, *m1, *v1;     /* all members stacked: (members,h1,D), (members,h1): bias, gamma, beta, running mean, var */
    const real *w2, *b2, *g2, *e2, *m2, *v2;     /* (members,h2,h1), (members,h2) */
    const real *w3, *b3;                         /* (members,K,h2), (members,K) */
    nn_st file;                                  /* owns the numbers */
} dg_interp;
nn_status dg_interp_open(dg_interp *in, const char *path, nn_err *err);
void dg_interp_close(dg_interp *in);
/* Write an interpreter (atomic).  `training`: one line of JSON, how it was made; kept as it is, no part of the identity.
 * in->identity and in->file are not read. */
nn_status dg_interp_write(const dg_interp *in, const char *training, const char *path, nn_err *err);
/* The interpreter's classes are the set's, by name.  NN_EMISMATCH. */
nn_status dg_interp_check_classes(const dg_interp *in, const dg_task *t, nn_err *err);
/* The interpreter belongs to this generator: identity, taps, channels.  NN_EMISMATCH, both identities named. */
nn_status dg_interp_check(const dg_interp *in, const sg_model *m, nn_err *err);

/* ---- training ----------------------------------------------------------------------------------------------------- */

enum { DG_NO_LAYER = -1 };
typedef struct {
    int members;                     /* 10 */
    uint64_t seed;
    nn_dim batch, h1, h2;            /* a width of 0: 128 and 32 below 32 classes, else 256 and 128.  DG_NO_LAYER: no such hidden layer,
                                        and none above it: both, a linear probe */
    double epochs, lr, decay, dropout1, dropout2;
    double feature_noise;            /* deviation of normal noise added to each feature of each batch */
    double class_weights;            /* 0: none; 1: each class counts as much as any other; between: (pixels / (classes * the class's))^this */
    const dg_interp *init;           /* NULL, or the interpreter that each member starts from: dg_train_start_from */
    bool standardise, one_cycle, official_stop;   /* official_stop: the released stop rule (PAPER.md 1.4, 2) */
    bool half;                       /* each gathered feature is rounded to float16 */
    bool z_stream;                   /* the interpreter asks for datasets with one stream of z */
    bool largest_label;              /* the network knows largest label + 1 classes; the file still has all, the rest with probability 0 */
    nn_dim min_pixels;               /* a class (1 to 49) of fewer pixels in a picture becomes background there; 0: off */
    char recipe[16];                 /* "default", "paper", "official" */
    bool replace;                    /* an existing out_path, and a checkpoint of other settings, are replaced */
} dg_train_options;
/* tap (SG_TAPS_MAX): the generator's taps that these names mean, in network order whatever the order of the names: taps, sets of them
 * (sg_tap_is), "last-K".  names NULL: the default ones.  NN_EINVAL for an unknown name, one twice, none at all. */
nn_status dg_choose_taps(const sg_model *m, const char *const *names, int count, int *tap, int *chosen, nn_err *err);
/* Fill with a named recipe (docs/TRAINING.md).  NN_EINVAL for another name.  classes sets the widths; "official" leaves them 0: by the
 * classes that dg_train finds. */
nn_status dg_train_recipe(dg_train_options *o, const char *name, int classes, nn_err *err);

/* Go on from an earlier interpreter: its members, widths and standardisation, and a short cycle (docs/TRAINING.md). */
void dg_train_start_from(dg_train_options *o, const dg_interp *init);

/* Progress of long work; called from one thread at a time.  Return false to stop: the work ends with NN_ECANCEL after
 * saving what resumes it. */
typedef struct { bool (*report)(void *user, const char *what, double done, double total, double value); void *user; } dg_progress;

/* Train on the items of `split` and write out_path (atomic).  Checkpoints go to out_path + ".part" and are resumed from when
 * they belong to the same settings; the result is byte-equal to an uninterrupted run, for any number of threads.
 * tap_names NULL: the generator's default taps; otherwise any of them, sets (sg_tap_is) or "last-K", the last K default taps; used in network order.
 * An out_path of the same settings: NN_OK at once.  Of others, or no interpreter: NN_EEXISTS.  A checkpoint of other settings:
 * NN_EEXISTS naming those that differ.  `replace` lifts both.  A picture that its seed does not give: NN_EMISMATCH.
 * A loss that is not finite: NN_EINVAL, checkpoint kept. */
nn_status dg_train(const dg_task *t, const char *split, const sg_model *m, const dg_train_options *o, const char *const *tap_names,
                   int tap_count, const char *out_path, const dg_progress *p, nn_err *err);
/* What that needs besides the generator's own memory, with the default taps. */
nn_status dg_train_bytes(const dg_task *t, const char *split, const sg_model *m, const dg_train_options *o, int threads, size_t *bytes,
                         nn_err *err);

/* k-fold validation of training settings on the pictures of a split: each fold's pictures are labelled by an interpreter trained on the
 * others; scores are of one confusion matrix over all.  Each entry of grid is "KEY=VALUE,VALUE,..."; every combination is a row. */
#define DG_SWEEP_KEYS "recipe, members, batch, epochs, lr, schedule, decay, dropout1, dropout2, feature-noise, class-weights, standardise, stop, width1, width2, taps-set"
enum { DG_SWEEP_TEXT = 1600 };
typedef struct {
    char settings[DG_SWEEP_TEXT];    /* "batch=64 lr=1e-3" */
    double miou, sd, accuracy, iou[NN_VOID], cpu_seconds;        /* means over the repeats; sd: of mIoU, NaN for one */
    bool known;                      /* measured by an earlier run of the same command */
} dg_sweep_row;
typedef struct {
    const char *split, *out;         /* out: JSON (docs/FILES.md), written after every row; out.fold and out.fold.part lie beside it meanwhile */
    int folds, repeats;              /* repeats with the seeds base.seed, base.seed + 1, ... */
    dg_train_options base;
    const char *const *grid;
    size_t grid_count;
    bool replace;                    /* an `out` of another sweep: NN_EEXISTS without this */
    void (*row)(void *user, const dg_sweep_row *row);            /* NULL, or told every row in order */
    void *user;
} dg_sweep_options;
nn_status dg_sweep(const dg_task *t, const sg_model *m, const dg_sweep_options *o, const dg_progress *p, nn_err *err);

/* ---- labelling ---------------------------------------------------------------------------------------------------- */

/* Prepared weights for one generator and interpreter: batch norms folded forward, members stacked, packed for the kernels. */
typedef struct dg_labeller dg_labeller;
dg_labeller *dg_labeller_open(const dg_interp *in, const sg_model *m, int threads, nn_err *err);
void dg_labeller_close(dg_labeller *l);
size_t dg_labeller_bytes(const dg_interp *in, const sg_model *m, int threads);

typedef struct {
    uint8_t *label;                  /* (height,width): majority vote of the members' argmax, or argmax of their mean (dg_interp.vote_mean); ties to the lowest class */
    float *divergence;               /* (height,width) or NULL: Jensen-Shannon divergence of the members' probabilities, nats, >= 0 (dg_interp.of_logits: any sign) */
    float *mean;                     /* (K,height,width) or NULL: mean probability */
    uint16_t *votes;                 /* (K,height,width) or NULL: how many members chose the class */
    double uncertainty;              /* mean of the largest int(height*width/10) divergences */
} dg_labels;
/* Label picture n of the workspace's last drawing (keep_taps).  Cannot fail. */
void dg_label(dg_labeller *l, const sg_work *wk, nn_dim n, dg_labels *out);

/* What in->precision changes in one picture: labels that differ from fp32's, mean probabilities' largest and average difference.  err: not NULL. */
typedef struct { uint64_t pixels, differ; double largest, average; } dg_precision_effect;
nn_status dg_precision_measure(const sg_model *m, const dg_interp *in, uint32_t seed, const sg_options *draw, dg_precision_effect *e, nn_err *err);

/* Draw, label and write chosen pictures below `out` (docs/FILES.md), which appears whole or not at all; as dg_export.  Pictures of
 * seeds, or (latents not NULL) of every row of an .npy, or of an .npz's array `array` (NULL: its only one), named by row. */
typedef struct {
    const uint32_t *seed;
    size_t count;
    const char *latents, *array;
    dg_space space;
    bool probabilities;              /* also the mean probability of each class, float16 */
    bool votes;                      /* also how many members chose each class, whole numbers of 16 bits */
    sg_options draw;
    nn_dim batch;
    const char *out, *version;       /* version: of the program, for run.json */
    bool replace;
} dg_label_options;
/* pictures: how many there are. */
typedef struct { size_t pictures; bool already; } dg_label_result;
nn_status dg_label_pictures(const sg_model *m, const dg_interp *in, const dg_label_options *o, const dg_progress *p, dg_label_result *r, nn_err *err);

/* ---- pictures to annotate ----------------------------------------------------------------------------------------- */

/* Pictures for a person to annotate, below `out` (docs/FILES.md), which appears whole or not at all: those of `seed`, or (count 0) the
 * `choose` of the `from` seeds after first_seed that stand best for all of them.  With an interpreter its annotated seeds are left
 * out, and the choice is among those that it is least sure of.  The same command again does nothing; an `out` of another is never
 * replaced, because labels may have been drawn in it: NN_EMISMATCH. */
typedef struct {
    const uint32_t *seed;
    size_t count;
    nn_dim choose, from;
    uint32_t first_seed;
    const char *classes;             /* text file: a name a line, first the background */
    const char *generator;           /* path of the model's file, for task.json */
    sg_options draw;
    nn_dim batch;
    const char *out;
} dg_prepare_options;
typedef struct { size_t pictures; bool already; } dg_prepare_result;
nn_status dg_prepare(const sg_model *m, const dg_interp *in, const dg_prepare_options *o, const dg_progress *p, dg_prepare_result *r, nn_err *err);

/* ---- dataset run -------------------------------------------------------------------------------------------------- */

/* Samples drawn otherwise, each by its own seed and recorded in its line.  All zero: none. */
typedef struct {
    bool psi_range;                  /* psi evenly from draw.psi to psi_to */
    double psi_to;
    double mix;                      /* style mixing: probability that the layers from a random one on follow a second seed */
    bool one_stream;                 /* z of picture n is draw n of RandomState(z_stream), as DatasetGAN's code samples; no number is skipped */
    uint32_t z_stream;
    bool z_seeds;                    /* each its own seed's, although the interpreter asks for a stream */
    double augment;                  /* brightness, contrast, saturation, gamma of the picture: each evenly from 1 - augment to 1 + augment */
} dg_vary_options;
/* Draw the pictures of seed[0..n), n <= the workspace's batch, as dg_dataset draws them: psi evenly from draw->psi to psi_to, mixed styles (the other
 * fields are not looked at; one_stream must be false).  room: dg_draw_room numbers, for pictures of a batch. */
size_t dg_draw_room(const sg_model *m, nn_dim batch);
void dg_draw(const sg_model *m, sg_work *wk, const uint32_t *seed, nn_dim n, const sg_options *draw, const dg_vary_options *o, real *room);
/* The seeds of a run that starts with seed `first`: all but the annotated ones.  skip: these, ascending. */
typedef struct { uint32_t *skip; nn_dim count; uint64_t first, next; } dg_seeds;
nn_status dg_seeds_open(dg_seeds *s, const uint32_t *annotated, nn_dim count, uint64_t first, nn_err *err);      /* NN_ENOMEM */
void dg_seeds_close(dg_seeds *s);
void dg_seeds_seek(dg_seeds *s, uint64_t index);              /* the next one is that of sample `index` */
uint32_t dg_seeds_take(dg_seeds *s);
bool dg_seeds_suffice(const dg_seeds *s, uint64_t count);     /* that many are left below 2^32 (numpy.random.RandomState) */
/* Part `index` (from 1) of `of` equal parts of a run's samples; of 0: all.  dg_merge joins them. */
typedef struct { uint32_t index, of; } dg_shard;
typedef struct {
    uint64_t count, first_seed;      /* count: of all shards together */
    sg_options draw;
    dg_vary_options vary;
    dg_shard shard;
    nn_dim batch;
    const char *out;
    const char *version;             /* program version for run.json */
    /* NULL, or told once before anything is drawn that takes room: samples left, bytes that they will take, bytes free. */
    void (*plan)(void *user, uint64_t samples, uint64_t bytes, uint64_t free);
    void *user;
} dg_dataset_options;
/* What the manifest says of a whole set. */
typedef struct {
    uint64_t samples, pixels, by_class[NN_VOID];
    double uncertainty, highest;                 /* mean, and the most uncertain sample's */
    uint32_t highest_seed;
} dg_summary;
typedef struct {
    uint64_t written, resumed, bytes;            /* bytes: of the PNG files written now */
    double seconds;
    bool unlocked;                               /* the file system has no locks */
    dg_summary summary;                          /* of a run that has ended */
} dg_dataset_result;
/* Write images/ labels/ metadata.jsonl classes.json run.json preview.png index.html below o->out (docs/FILES.md).  Resumes a
 * run of the same settings; a folder of another run is NN_EMISMATCH naming the differences.  NN_EIO when another process is
 * at work in the folder, or when the disk has no room for the samples: found from the first batch, before it is written. */
nn_status dg_dataset(const sg_model *m, const dg_interp *in, const dg_dataset_options *o, const dg_progress *p,
                     dg_dataset_result *r, nn_err *err);

/* Join all shards of a run below `out`, which appears whole or not at all: the bytes of the run without --shard.  NN_EMISMATCH,
 * naming folder and difference: an unfinished shard, another run's, one that is missing or there twice, seeds with holes. */
typedef struct { const char *const *in; size_t count; const char *out; } dg_merge_options;
nn_status dg_merge(const dg_merge_options *o, const dg_progress *p, uint64_t *samples, bool *already, nn_err *err);

/* Check a run or view: every line, every file against its recorded hash, and that nothing else lies there.  pixels: decode and check the
 * pixels' hash and the counts of classes instead of the files' bytes.  Every problem is given to `problem` as one line.  NN_OK with
 * problems > 0 when some were found; an error when the folder cannot be read as a dataset at all. */
typedef struct { const char *dataset; bool pixels; void (*problem)(void *user, const char *line); void *user; } dg_verify_options;
typedef struct { uint64_t samples, problems; bool unfinished; } dg_verify_result;
nn_status dg_verify(const dg_verify_options *o, const dg_progress *p, dg_verify_result *r, nn_err *err);

/* What a dataset holds. */
enum { DG_STATS_QUANTILES = 11, DG_STATS_BINS = 20, DG_STATS_EXAMPLES = 8, DG_STATS_DOUBLES = 20, DG_STATS_SHOWN = 300 };
#define DG_STATS_NEAR 3.0            /* levels */
typedef struct { uint32_t a, b; double distance; } dg_double;                          /* seeds; see DG_STATS_NEAR */
typedef struct { uint64_t number; uint32_t seed; double value; } dg_ranked;            /* number: in the set, from 0 */
typedef struct {
    uint64_t samples, pixels;
    bool unfinished;
    nn_dim width, height;
    int class_count;
    dg_class class_at[NN_VOID];
    uint64_t class_pixels[NN_VOID], class_samples[NN_VOID];      /* pixels of a class; samples that have some */
    int per_class, example_count[NN_VOID];
    dg_ranked example[NN_VOID][DG_STATS_EXAMPLES];   /* the samples with most pixels of a class, most first */
    double mean, quantile[DG_STATS_QUANTILES];       /* uncertainty: mean; lowest, deciles, highest */
    uint32_t highest_seed;
    double bin_from, bin_width;
    uint64_t bin[DG_STATS_BINS];                     /* samples by uncertainty, from bin_from (0, or the lowest below it) on; the last bin has all above */
    /* Pairs of samples whose pictures, as 16 x 16 grey cells, differ by at most DG_STATS_NEAR levels in the mean; the closest pairs. */
    uint64_t near;
    int double_count;
    dg_double doubles[DG_STATS_DOUBLES];
} dg_stats;
/* Every sample is read and checked against its hash.  page (NULL: none): one self-contained HTML page of at most 10 MB with up to
 * DG_STATS_SHOWN thumbnails: of each class the samples with most of its pixels, the rest spread evenly over the ranking by uncertainty. */
nn_status dg_stats_make(dg_stats *s, const char *dataset, nn_bytes *page, const dg_progress *p, nn_err *err);
json_t *dg_stats_json(const dg_stats *s, nn_err *err);               /* NULL: NN_ENOMEM */

/* ---- a finished dataset in other forms ------------------------------------------------------------------------------ */

enum { DG_SPLITS_MAX = 3 };                      /* train, val, test */
typedef struct { int count; uint64_t part[DG_SPLITS_MAX]; } dg_split;                  /* in billionths, sum 10^9 */
/* "0.9/0.1": one to three parts above 0 with at most nine decimals that add up to exactly 1.  NN_EINVAL. */
nn_status dg_split_parse(dg_split *s, const char *text, nn_err *err);

#define DG_EXPORT_FORMATS "voc|coco|yolo-seg|hf|webdataset|labelme|npz"
typedef struct {
    const char *dataset, *out;
    const char *format;                          /* one of DG_EXPORT_FORMATS */
    dg_split split;
    bool parts, polygons;                        /* coco: an annotation a connected part instead of a class; polygons instead of run lengths */
    double drop;                                 /* only what dg_filter would keep: 0, NULL, NULL leave out nothing */
    const char *score, *min_pixels;
    bool replace;                                /* an `out` that holds another export is replaced */
} dg_export_options;
typedef struct { uint64_t samples, of; bool already, unfinished; } dg_export_result;       /* unfinished: the run has not ended */
/* Write the dataset (a run's or a view's folder) below `out`, which appears whole or not at all (docs/FILES.md).  Every sample is
 * checked against its hash.  An `out` of the same content: NN_OK at once.  Another export: NN_EEXISTS.  Something else: NN_EMISMATCH. */
nn_status dg_export(const dg_export_options *o, const dg_progress *p, dg_export_result *r, nn_err *err);
/* An annotation set as DatasetGAN's train_interpreter.py reads it: annotation/image_{i}.jpg and image_mask{i}.npy, latent/latent_stylegan1.npy
 * and avg_latent_stylegan1.npy (docs/FILES.md); dg_import_official reads it back.  Every picture is compared with what the generator draws
 * (NN_EMISMATCH).  Void in a label and a task without pictures are refused.  `out` as dg_export. */
nn_status dg_export_official(const dg_task *t, const sg_model *m, const char *out, bool replace, dg_export_result *r, nn_err *err);

/* A view: a dataset folder with part of the samples of another.  First those leave that have fewer pixels of a class than
 * min_pixels ("nucleus=20,cytoplasm=50", NULL: none) asks, then the most uncertain `drop` of the rest (0 <= drop < 1, rounded;
 * of equals the later seed).  Files are copied, nothing of the dataset is changed; an interrupted copy goes on.  Errors and `out` as dg_export. */
#define DG_SCORES "top10|mean|sum"
typedef struct {
    const char *dataset, *out, *min_pixels;
    const char *score;                           /* one of DG_SCORES: mean of the largest tenth of the divergences (NULL), mean or sum of all */
    double drop;
    bool replace;
} dg_filter_options;
typedef struct { uint64_t samples, kept, poor, uncertain; double highest; bool already, unfinished; } dg_filter_result;
nn_status dg_filter(const dg_filter_options *o, const dg_progress *p, dg_filter_result *r, nn_err *err);

/* ---- evaluation --------------------------------------------------------------------------------------------------- */

/* Draw, label and score every item of `split`. */
nn_status dg_eval_task(const dg_task *t, const char *split, const sg_model *m, const dg_interp *in, nn_confusion *out, nn_err *err);
/* The same, and (cal not NULL) whether the labels' probabilities hold: the members' mean probability of each pixel's label against how often
 * it is right, in DG_CALIBRATION_BINS equal bins of probability. */
enum { DG_CALIBRATION_BINS = 15 };
typedef struct {
    uint64_t pixels, count[DG_CALIBRATION_BINS], right[DG_CALIBRATION_BINS];
    double confidence[DG_CALIBRATION_BINS];      /* mean probability in a bin; 0 in an empty one */
    double ece;                                  /* expected calibration error: mean over pixels of |right - confidence| of their bins */
    double brier;                                /* mean over pixels of the squared distance of all probabilities from the truth's 0 and 1 */
} dg_calibration;
nn_status dg_eval_calibrated(const dg_task *t, const char *split, const sg_model *m, const dg_interp *in, nn_confusion *out, dg_calibration *cal,
                             nn_err *err);
json_t *dg_calibration_json(const dg_calibration *c, nn_err *err);               /* NULL: NN_ENOMEM */
/* One self-contained HTML page with a reliability diagram. */
nn_status dg_calibration_page(const dg_calibration *c, const char *task, nn_bytes *out, nn_err *err);
/* Score two folders of label PNGs paired by stem (truth's stem, or that + "_label"); map may be NULL (task ids on both sides). */
nn_status dg_eval_folders(const char *pred, const char *truth, int classes, const dg_map *map, nn_confusion *out, nn_err *err);

#endif
