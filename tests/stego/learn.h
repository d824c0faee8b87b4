/*
 * learn - tell two classes apart by examples, honestly: what is learned from
 * some pairs is tried on others. Each pair, an original and what was made of
 * it, is on one side of a fold with both its halves.
 */
#ifndef POSTERN_TESTS_STEGO_LEARN_H
#define POSTERN_TESTS_STEGO_LEARN_H

enum { FOLDS = 5 };

/* By a threshold on one number, either way round. Returns the share told right, both classes alike. */
double learn_threshold(const double *original, const double *made, int pairs);

/*
 * By an ensemble of Fisher's linear discriminants on random subspaces, each with a threshold of
 * its own, that vote (J. Kodovsky, J. Fridrich, V. Holub, "Ensemble Classifiers for Steganalysis
 * of Digital Media", IEEE Trans. Information Forensics and Security 7 (2012)).
 *   original, made  pairs rows of features numbers
 */
double learn_ensemble(const float *original, const float *made, int pairs, int features);

#endif
